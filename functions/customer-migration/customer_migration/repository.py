"""The table of migrations: the status of each customer's migration, and a lease on it. It holds no personal data."""

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict, cast
from uuid import uuid4

from customer_migration.domain import PENDING, Outcome
from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed
from setpieces.errors import Refused
from setpieces.settings import setting

# Longer than the function runs, so the owner of an expired lease is no longer at work unless clocks differ. A lease only saves
# work: of two concurrent writes, the platform's version of the customer admits one.
LEASE_SECONDS = 15


class Migration(TypedDict):
    """A stored migration. ``status`` is PENDING, MIGRATED, NOT_FOUND or FAILED; ``lease_until`` is in epoch seconds."""

    customer_id: str
    status: str
    updated_at: str
    attempts: NotRequired[int]
    source_version: NotRequired[int]
    reason: NotRequired[str]
    lease_owner: NotRequired[str]
    lease_until: NotRequired[int]


@dataclass(frozen=True)
class Lease:
    """The right to migrate one customer; ``source_version`` is the legacy version migrated last, 0 for none."""

    customer_id: str
    owner: str
    source_version: int


def load(customer_id: str) -> Migration:
    """The migration of a customer. Raises ``Refused`` MIGRATION_NOT_FOUND."""
    migration = dynamodb.get(setting("TABLE_NAME"), {"customer_id": customer_id})
    if migration is None:
        raise Refused("MIGRATION_NOT_FOUND", "The customer has no migration")
    return cast(Migration, migration)


def mark_pending(customer_id: str) -> None:
    """Set the status PENDING, whatever it was."""
    changes = {"status": PENDING, "updated_at": _now(), "reason": None}
    dynamodb.update_if(setting("TABLE_NAME"), {"customer_id": customer_id}, set=changes)


def acquire_lease(customer_id: str) -> Lease | None:
    """Count an attempt and take the lease; None while another owner holds it."""
    owner, now = uuid4().hex, int(time.time())
    try:
        migration = dynamodb.update_if(
            setting("TABLE_NAME"),
            {"customer_id": customer_id},
            set={"lease_owner": owner, "lease_until": now + LEASE_SECONDS},
            set_once={"status": PENDING, "updated_at": _now()},
            add={"attempts": 1},
            # A lease_until further away than any lease lasts was written by a clock that is ahead, and does not count.
            # The lease is already our own if the SDK repeats a call whose answer was lost.
            condition="attribute_not_exists(lease_until) OR lease_until < :now OR lease_until > :latest "
            "OR lease_owner = :owner",
            values={":now": now, ":latest": now + 2 * LEASE_SECONDS, ":owner": owner},
        )
    except ConditionFailed:
        return None
    return Lease(customer_id, owner, migration.get("source_version", 0))


def release_lease(lease: Lease) -> None:
    """Release the lease and change nothing else."""
    _update_leased(lease, {})


def complete(lease: Lease, outcome: Outcome) -> None:
    """Store the outcome of the migration and release the lease."""
    changes: dict[str, Any] = {"status": outcome.status, "updated_at": _now(), "reason": outcome.reason}
    if outcome.source_version is not None:
        changes["source_version"] = outcome.source_version
    _update_leased(lease, changes)


def _update_leased(lease: Lease, changes: dict[str, Any]) -> None:
    """Change a migration and release its lease; does nothing if the lease has another owner, who stores the outcome."""
    with suppress(ConditionFailed):
        dynamodb.update_if(
            setting("TABLE_NAME"),
            {"customer_id": lease.customer_id},
            set=changes,
            remove=("lease_owner", "lease_until"),
            condition="lease_owner = :owner",
            values={":owner": lease.owner},
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
