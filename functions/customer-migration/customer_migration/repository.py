"""What is known of each customer's migration, and who is at work on it.

{customer_id, status, attempts, source_version?, reason?, updated_at, lease_owner?, lease_until?}; status PENDING, MIGRATED,
NOT_FOUND or FAILED, lease_until in epoch seconds. No personal data.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError

from setpieces.aws import client, error_code
from setpieces.dynamodb_types import from_item, to_attribute
from setpieces.settings import setting

PENDING, MIGRATED, NOT_FOUND, FAILED = "PENDING", "MIGRATED", "NOT_FOUND", "FAILED"

# Longer than the function runs: whoever holds a lease that is over is no longer at work, unless clocks differ. A lease only
# saves work: what two do at once is decided by the platform's version of the customer.
LEASE_SECONDS = 15


@dataclass(frozen=True)
class Lease:
    """The right to migrate one customer; ``source_version`` is the version migrated last, 0 for none."""

    customer_id: str
    owner: str
    source_version: int


def find(customer_id: str) -> dict[str, Any] | None:
    """The migration of a customer."""
    answer = client("dynamodb").get_item(
        TableName=setting("TABLE_NAME"), Key={"customer_id": {"S": customer_id}}, ConsistentRead=True
    )
    return from_item(answer["Item"]) if "Item" in answer else None


def await_rerun(customer_id: str) -> None:
    """PENDING from now on, whatever it was."""
    _update(customer_id, "SET #status = :status, updated_at = :at REMOVE reason", {":status": PENDING, ":at": _now()})


def acquire(customer_id: str) -> Lease | None:
    """A lease, and one more attempt; None while somebody else has one."""
    owner, now = uuid4().hex, int(time.time())
    try:
        item = _update(
            customer_id,
            "SET lease_owner = :owner, lease_until = :until, #status = if_not_exists(#status, :status), "
            "updated_at = if_not_exists(updated_at, :at) ADD attempts :one",
            {
                **{":owner": owner, ":until": now + LEASE_SECONDS, ":status": PENDING, ":at": _now(), ":one": 1},
                **{":now": now, ":latest": now + 2 * LEASE_SECONDS},
            },
            # A lease for longer than any was given was given by a clock that is ahead: it holds up nobody for so long.
            # Our own is that of a first attempt whose answer was lost, which the SDK repeats.
            "attribute_not_exists(lease_until) OR lease_until < :now OR lease_until > :latest OR lease_owner = :owner",
        )
    except ClientError as error:
        if error_code(error) == "ConditionalCheckFailedException":
            return None
        raise
    return Lease(customer_id, owner, item.get("source_version", 0))


def release(lease: Lease) -> None:
    """Give the lease back with everything else as it was."""
    _if_held(lease, "REMOVE lease_owner, lease_until", {})


def finish(lease: Lease, status: str, source_version: int | None = None, reason: str | None = None) -> None:
    """Enter how it ended, and give the lease back."""
    sets, removes = ["#status = :status", "updated_at = :at"], ["lease_owner", "lease_until"]
    values: dict[str, Any] = {":status": status, ":at": _now()}
    for name, value in (("source_version", source_version), ("reason", reason)):
        if value is not None:
            sets.append(f"{name} = :{name}")
            values[f":{name}"] = value
        elif name == "reason":
            removes.append(name)
    _if_held(lease, f"SET {', '.join(sets)} REMOVE {', '.join(removes)}", values)


def _if_held(lease: Lease, update: str, values: dict[str, Any]) -> None:
    """Whoever took over a lease that was over will enter how it ended; there is nothing left to say then."""
    try:
        _update(lease.customer_id, update, values | {":owner": lease.owner}, "lease_owner = :owner")
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise


def _update(customer_id: str, update: str, values: dict[str, Any], condition: str | None = None) -> dict[str, Any]:
    """The item after the update."""
    request: dict[str, Any] = {
        "TableName": setting("TABLE_NAME"),
        "Key": {"customer_id": {"S": customer_id}},
        "UpdateExpression": update,
        "ExpressionAttributeValues": {name: to_attribute(value) for name, value in values.items()},
        "ReturnValues": "ALL_NEW",
    }
    if "#status" in update:
        request["ExpressionAttributeNames"] = {"#status": "status"}
    if condition:
        request["ConditionExpression"] = condition
    return from_item(client("dynamodb").update_item(**request)["Attributes"])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
