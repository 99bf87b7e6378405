"""Runs as callers see them. Pure."""

from typing import Any

from setpieces.errors import Refused

_RUN = ("run_id", "status", "started_at", "updated_at", "dry_run", "force", "urls", "files", "changed", "reason")


def run_view(run: dict[str, Any] | None) -> dict[str, Any]:
    """Raises ``Refused`` RUN_NOT_FOUND."""
    if run is None or "status" not in run:
        raise Refused("RUN_NOT_FOUND", "There is no such run")
    return {name: run[name] for name in _RUN if name in run}
