"""What the people who run the shop see of a migration, and what they may ask for. Pure."""

import re
from typing import Any

from setpieces.errors import Refused

SHOWN = ("customer_id", "status", "attempts", "source_version", "reason", "updated_at")
_CUSTOMER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def view(migration: dict[str, Any] | None) -> dict[str, Any]:
    """{customer_id, status, attempts, source_version?, reason?, updated_at}. Raises ``Refused`` 404."""
    if migration is None:
        raise Refused("MIGRATION_NOT_FOUND", "No migration of this customer is known")
    return {"attempts": 0} | {name: migration[name] for name in SHOWN if name in migration}


def customer_id(path_parameter: str) -> str:
    """The id in the path. Raises ``Refused`` 400 for what no customer can have as id."""
    if not _CUSTOMER_ID.fullmatch(path_parameter):
        raise Refused("INVALID_REQUEST", "must be 1 to 64 of A-Z a-z 0-9 _ -", "/customer_id")
    return path_parameter
