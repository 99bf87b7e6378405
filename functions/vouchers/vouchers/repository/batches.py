"""Batches of vouchers: what was asked for, how far it is, where its file is.

{batch_id, status, count, campaign, value, currency, valid_from, valid_to, notify, one_time?, requested_by, request,
created_at, updated_at, attempts, key_version, code_salt?, correlation_id, first?, last?, chunks_done?, file_key?, sha256?,
bytes?, notified_of?, notified_at?, reason?, open?, purge_at}

Times are RFC 3339, ``purge_at`` epoch seconds (TTL), ``value`` in cents. ``notified_of`` is the status that the requester got
a mail about, COMPLETE or FAILED. ``open`` is there until the batch has ended and, if it has failed, until that was announced;
the index of that name holds such batches by ``updated_at``, when the sweeper looks after them.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from setpieces.aws import client, error_code
from setpieces.dynamodb_types import from_item, to_attribute, to_item
from setpieces.settings import setting
from vouchers.repository.chunks import made

Batch = dict[str, Any]

PENDING, GENERATING, STORING, NOTIFYING = "PENDING", "GENERATING", "STORING", "NOTIFYING"
COMPLETE, FAILED = "COMPLETE", "FAILED"
CANCELLED = "CANCELLED"
OPEN = "open"

_OPEN_STATUSES = (PENDING, GENERATING, STORING, NOTIFYING)
# What may come before each status. A run that starts again begins with GENERATING, wherever the one before it broke off.
_AFTER = {
    GENERATING: (*_OPEN_STATUSES, FAILED),
    STORING: (GENERATING, STORING),
    NOTIFYING: (STORING, NOTIFYING),
    FAILED: _OPEN_STATUSES,
    CANCELLED: (*_OPEN_STATUSES, COMPLETE, FAILED),
}


class BatchOver(Exception):
    """Nothing is left to be done for a batch: it was cancelled, or has ended in another run."""


def add(batch: Batch) -> Batch | None:
    """Store a new batch, as PENDING; None if its ``batch_id`` is taken."""
    now = _now()
    new = batch | {"status": PENDING, "created_at": now, "updated_at": now, "attempts": 0, "open": OPEN}
    try:
        client("dynamodb").put_item(
            TableName=_table(), Item=to_item(new), ConditionExpression="attribute_not_exists(batch_id)"
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return None
    return new


def read(batch_id: str) -> Batch | None:
    """The batch; None if there is none."""
    answer = client("dynamodb").get_item(TableName=_table(), Key=_key(batch_id), ConsistentRead=True)
    return from_item(answer["Item"]) if "Item" in answer else None


def advance(batch_id: str, status: str, **facts: Any) -> Batch | None:
    """Move a batch on to ``status`` and store ``facts`` with it; None, and nothing changes, if that may not follow now."""
    facts |= {"status": status, "updated_at": _now(), "open": None if status == CANCELLED else OPEN}
    if status == GENERATING:
        facts["reason"] = None
    return _change(batch_id, facts, {"status": _AFTER[status]})


def touch(batch_id: str, status: str) -> Batch | None:
    """The batch if it has this ``status``, with which something has happened to it just now; None if it has another."""
    return _change(batch_id, {"updated_at": _now()}, {"status": (status,)})


def lease(batch_id: str, first: int, last: int) -> Batch | None:
    """Give a batch its numbers, once; None if it has numbers already."""
    return _change(batch_id, {"first": first, "last": last, "updated_at": _now()}, {"first": ()})


def chunk_done(batch_id: str, index: int) -> None:
    """Enter that a chunk is stored, once more if it was. Raises ``BatchOver``."""
    try:
        client("dynamodb").update_item(
            TableName=_table(),
            Key=_key(batch_id),
            UpdateExpression="ADD chunks_done :index SET updated_at = :now",
            ConditionExpression="#status = :generating",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                ":index": {"NS": [str(index)]},
                **to_item({":now": _now(), ":generating": GENERATING}),
            },
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        raise BatchOver(batch_id) from error


def remember(batch_id: str, **facts: Any) -> None:
    """Store facts with a batch, whatever its status."""
    _change(batch_id, facts, {})


def generated(batch: Batch) -> int:
    """How many of its vouchers are stored."""
    return made(batch["count"], batch.get("chunks_done", ()))


def redeemable(batch: Batch) -> bool:
    """Whether its vouchers count: all of them are stored, and nobody cancelled them."""
    return batch["status"] in (NOTIFYING, COMPLETE)


def start(batch: Batch) -> None:
    """Start the workflow; nothing happens if this attempt was started before."""
    name = f"{batch['batch_id']}-{batch['attempts']}"
    # No more than the id: what a run was started with can be read by all who may look at runs.
    begun = {"batch_id": batch["batch_id"], "correlation_id": batch["correlation_id"]}
    states = client("stepfunctions")
    try:
        states.start_execution(stateMachineArn=setting("STATE_MACHINE_ARN"), name=name, input=json.dumps(begun))
    except states.exceptions.ExecutionAlreadyExists:
        return


def close(batch_id: str) -> None:
    """The failure of a batch is announced: the sweeper need not look after it. Nothing changes if it has not failed now."""
    _change(batch_id, {"open": None}, {"status": (FAILED,)})


def standing_still(minutes: float, limit: int) -> list[Batch]:
    """Open batches that nothing has happened to for so long, oldest first: {batch_id, status, attempts, correlation_id}."""
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    answer = client("dynamodb").query(
        TableName=_table(),
        IndexName=OPEN,
        KeyConditionExpression="#open = :open AND updated_at <= :since",
        ExpressionAttributeNames={"#open": "open"},
        ExpressionAttributeValues=to_item({":open": OPEN, ":since": _rfc3339(since)}),
        Limit=limit,
    )
    return [from_item(item) for item in answer["Items"]]


def claim(batch: Batch) -> Batch | None:
    """Count one more attempt at a batch that stands still; None if another sweep has counted it, or if the batch has ended."""
    facts = {"attempts": batch["attempts"] + 1, "updated_at": _now()}
    return _change(batch["batch_id"], facts, {"attempts": (batch["attempts"],), "open": (OPEN,)})


def _change(batch_id: str, facts: dict[str, Any], expected: dict[str, tuple[Any, ...]]) -> Batch | None:
    """Set ``facts`` (None removes one) if each attribute in ``expected`` is one of the values given, () for none at all."""
    conditions = ["attribute_exists(batch_id)"]
    values: dict[str, Any] = {}
    for name, allowed in expected.items():
        placeholders = [f":was_{name}_{position}" for position in range(len(allowed))]
        values |= dict(zip(placeholders, allowed, strict=True))
        conditions.append(f"#{name} IN ({', '.join(placeholders)})" if allowed else f"attribute_not_exists(#{name})")
    kept = {name: value for name, value in facts.items() if value is not None}
    clauses = {
        "SET": [f"#{name} = :{name}" for name in kept],
        "REMOVE": [f"#{name}" for name in facts if name not in kept],
    }
    update = " ".join(f"{clause} {', '.join(parts)}" for clause, parts in clauses.items() if parts)
    values |= {f":{name}": value for name, value in kept.items()}
    try:
        answer = client("dynamodb").update_item(
            TableName=_table(),
            Key=_key(batch_id),
            UpdateExpression=update,
            ConditionExpression=" AND ".join(conditions),
            ExpressionAttributeNames={f"#{name}": name for name in {*facts, *expected}},
            ExpressionAttributeValues={name: to_attribute(value) for name, value in values.items()},
            ReturnValues="ALL_NEW",
        )
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return None
    return from_item(answer["Attributes"])


def _table() -> str:
    return setting("BATCHES_TABLE_NAME")


def _key(batch_id: str) -> dict[str, Any]:
    return to_item({"batch_id": batch_id})


def _now() -> str:
    return _rfc3339(datetime.now(UTC))


def _rfc3339(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"
