"""Batches of vouchers: what was asked for, how far it is, where its file is.

{batch_id, status, count, campaign, value, currency, valid_from, valid_to, notify, one_time?, requested_by, request,
created_at, updated_at, attempts, key_version, code_salt?, correlation_id, first?, last?, chunks_done?, file_key?, sha256?,
bytes?, notified_of?, notified_at?, reason?, open?, purge_at}

Times are RFC 3339, ``purge_at`` epoch seconds (TTL), ``value`` in cents. ``notified_of`` is the status that the requester got
a mail about, COMPLETE or FAILED. ``open`` is there until the batch has ended and, if it has failed, until that was announced;
the index of that name holds such batches by ``updated_at``, when the sweeper looks after them.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from setpieces import dynamodb
from setpieces.aws import client
from setpieces.dynamodb import NOTHING, ConditionFailed
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
        dynamodb.put_if(_table(), new, "attribute_not_exists(batch_id)")
    except ConditionFailed:
        return None
    return new


def read(batch_id: str) -> Batch | None:
    """The batch; None if there is none."""
    return dynamodb.get(_table(), {"batch_id": batch_id})


def advance(batch_id: str, status: str, **facts: Any) -> Batch | None:
    """Move a batch on to ``status`` and store ``facts`` with it; None, and nothing changes, if that may not follow now."""
    facts |= {"status": status, "updated_at": _now(), "open": None if status == CANCELLED else OPEN}
    if status == GENERATING:
        facts["reason"] = None
    return _update(batch_id, facts, "#status IN (:earlier)", {":earlier": _AFTER[status]})


def touch(batch_id: str, status: str) -> Batch | None:
    """The batch if it has this ``status``, with which something has happened to it just now; None if it has another."""
    return _update(batch_id, {"updated_at": _now()}, "#status = :status", {":status": status})


def lease(batch_id: str, first: int, last: int) -> Batch | None:
    """Give a batch its numbers, once; None if it has numbers already."""
    facts = {"first": first, "last": last, "updated_at": _now()}
    return _update(batch_id, facts, "attribute_not_exists(#first)")


def chunk_done(batch_id: str, index: int) -> None:
    """Enter that a chunk is stored, once more if it was. Raises ``BatchOver``."""
    try:
        dynamodb.update_if(
            _table(),
            {"batch_id": batch_id},
            set={"updated_at": _now()},
            add={"chunks_done": {index}},
            condition="#status = :generating",
            values={":generating": GENERATING},
        )
    except ConditionFailed as failed:
        raise BatchOver(batch_id) from failed


def remember(batch_id: str, **facts: Any) -> None:
    """Store facts with a batch, whatever its status."""
    _update(batch_id, facts)


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
    _update(batch_id, {"open": None}, "#status = :failed", {":failed": FAILED})


def standing_still(minutes: float, limit: int) -> list[Batch]:
    """Open batches that nothing has happened to for so long, oldest first: {batch_id, status, attempts, correlation_id}."""
    since = datetime.now(UTC) - timedelta(minutes=minutes)
    values = {":open": OPEN, ":since": _rfc3339(since)}
    return list(dynamodb.query(_table(), "#open = :open AND updated_at <= :since", values, index=OPEN, limit=limit))


def claim(batch: Batch) -> Batch | None:
    """Count one more attempt at a batch that stands still; None if another sweep has counted it, or if the batch has ended."""
    facts = {"attempts": batch["attempts"] + 1, "updated_at": _now()}
    values = {":attempts": batch["attempts"], ":open": OPEN}
    return _update(batch["batch_id"], facts, "attempts = :attempts AND #open = :open", values)


def _update(
    batch_id: str, facts: dict[str, Any], condition: str = "", values: Mapping[str, Any] = NOTHING
) -> Batch | None:
    """Store facts with a batch (None removes one); the batch afterwards, None if there is none or the condition fails."""
    conditions = ["attribute_exists(batch_id)", *([condition] if condition else [])]
    try:
        return dynamodb.update_if(
            _table(), {"batch_id": batch_id}, set=facts, condition=" AND ".join(conditions), values=values
        )
    except ConditionFailed:
        return None


def _table() -> str:
    return setting("BATCHES_TABLE_NAME")


def _now() -> str:
    return _rfc3339(datetime.now(UTC))


def _rfc3339(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"
