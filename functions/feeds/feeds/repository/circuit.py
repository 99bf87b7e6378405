"""The state of the circuit between a queue and the commerce platform, in the accounts table: an item while it is open.

{part: "circuit/<type>", opened_at, reason}
"""

from datetime import UTC, datetime
from typing import TypedDict

from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed
from setpieces.settings import setting


class StoredCircuit(TypedDict):
    """The item of an open circuit. ``opened_at`` (RFC 3339) has microseconds: it identifies this opening."""

    part: str
    opened_at: str
    reason: str


def put(reason: str) -> None:
    """Store that the circuit is opened now."""
    opened_at = datetime.now(UTC).isoformat(timespec="microseconds")
    circuit: StoredCircuit = {"part": _key()["part"], "opened_at": opened_at, "reason": reason}
    dynamodb.put_if(_table(), dict(circuit))


def opened_at() -> str:
    """When the circuit was opened; "" while it is closed."""
    item = dynamodb.get(_table(), _key()) or {}
    return str(item.get("opened_at", ""))


def delete(opened_at: str) -> bool:
    """Store that the circuit is closed. False if it was opened again since ``opened_at``."""
    # The SDK repeats a call whose answer was lost, and finds that there is no item left to delete.
    condition = "attribute_not_exists(opened_at) OR opened_at = :opened_at"
    try:
        dynamodb.delete_if(_table(), _key(), condition, {":opened_at": opened_at})
    except ConditionFailed:
        return False
    return True


def _key() -> dict[str, str]:
    return {"part": f"circuit/{setting('FEED_TYPE')}"}


def _table() -> str:
    return setting("ACCOUNTS_TABLE_NAME")
