"""Builds the responses of the API."""

from collections.abc import Mapping
from typing import Any

from customer_migration.domain import PENDING

_FIELDS = ("customer_id", "status", "attempts", "source_version", "reason", "updated_at")


def migration_view(migration: Mapping[str, Any]) -> dict[str, Any]:
    """{customer_id, status, attempts, source_version?, reason?, updated_at}."""
    return {"attempts": 0} | {name: value for name, value in migration.items() if name in _FIELDS}


def pending_view(customer_id: str) -> dict[str, Any]:
    """{customer_id, status}."""
    return {"customer_id": customer_id, "status": PENDING}
