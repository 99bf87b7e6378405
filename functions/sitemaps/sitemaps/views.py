"""Runs as responses show them."""

from collections.abc import Mapping
from typing import Any

_MEMBERS = ("run_id", "status", "started_at", "updated_at", "dry_run", "force", "urls", "files", "changed", "reason")


def run_view(run: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a stored run that callers see."""
    return {name: run[name] for name in _MEMBERS if name in run}
