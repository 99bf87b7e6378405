"""The table of batches, and its index ``open`` of batches that have not ended, by ``updated_at``."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from setpieces import dynamodb
from setpieces.dynamodb import NOTHING, ConditionFailed
from setpieces.settings import setting
from setpieces.times import to_rfc3339
from vouchers.domain.batches import (
    CANCELLED,
    FAILED,
    GENERATING,
    OPEN,
    PENDING,
    PRECEDING,
    Batch,
    BatchOver,
    NewBatch,
    OpenBatch,
)


def create(new_batch: NewBatch) -> Batch | None:
    """Store a batch as PENDING; None if its ``batch_id`` exists."""
    now = _now()
    batch = cast(
        Batch, {**new_batch, "status": PENDING, "created_at": now, "updated_at": now, "attempts": 0, "open": OPEN}
    )
    try:
        dynamodb.put_if(_table(), {**batch}, "attribute_not_exists(batch_id)")
    except ConditionFailed:
        return None
    return batch


def find(batch_id: str) -> Batch | None:
    """The batch, None if it does not exist."""
    return cast(Batch | None, dynamodb.get(_table(), {"batch_id": batch_id}))


def change_status(batch_id: str, status: str, **attributes: Any) -> Batch | None:
    """Set the status and other attributes of a batch; None, without a change, if ``status`` may not follow the present one."""
    attributes |= {"status": status, "updated_at": _now(), "open": None if status == CANCELLED else OPEN}
    if status == GENERATING:
        attributes["reason"] = None
    return _update(batch_id, attributes, "#status IN (:preceding)", {":preceding": PRECEDING[status]})


def touch(batch_id: str, status: str) -> Batch | None:
    """Set ``updated_at`` of a batch that has this status; None if it has another one."""
    return _update(batch_id, {"updated_at": _now()}, "#status = :status", {":status": status})


def assign_numbers(batch_id: str, first: int, last: int) -> Batch | None:
    """Store the leased numbers of a batch; None if it has numbers already."""
    numbers = {"first": first, "last": last, "updated_at": _now()}
    return _update(batch_id, numbers, "attribute_not_exists(#first)")


def mark_chunk_done(batch_id: str, index: int) -> None:
    """Add a chunk to those that are stored. Raises ``BatchOver``."""
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


def update(batch_id: str, **attributes: Any) -> None:
    """Set attributes of a batch, whatever its status; None removes one."""
    _update(batch_id, attributes)


def mark_failure_announced(batch_id: str) -> None:
    """Remove a failed batch from the index of open batches; a batch of another status is not changed."""
    _update(batch_id, {"open": None}, "#status = :failed", {":failed": FAILED})


def list_stalled(minutes: float, limit: int) -> list[OpenBatch]:
    """Open batches that have not changed for ``minutes``, oldest first."""
    before = datetime.now(UTC) - timedelta(minutes=minutes)
    items = dynamodb.query(
        _table(),
        "#open = :open AND updated_at <= :before",
        {":open": OPEN, ":before": _rfc3339(before)},
        index=OPEN,
        limit=limit,
    )
    return [cast(OpenBatch, item) for item in items]


def count_attempt(batch: OpenBatch) -> bool:
    """Count a restart of a stalled batch. False if another sweep has counted one, or the batch has ended."""
    attributes = {"attempts": batch["attempts"] + 1, "updated_at": _now()}
    values = {":attempts": batch["attempts"], ":open": OPEN}
    return _update(batch["batch_id"], attributes, "attempts = :attempts AND #open = :open", values) is not None


def _update(
    batch_id: str, attributes: dict[str, Any], condition: str = "", values: Mapping[str, Any] = NOTHING
) -> Batch | None:
    """Set attributes (None removes one); the batch afterwards, None if it does not exist or the condition fails."""
    conditions = ["attribute_exists(batch_id)", *([condition] if condition else [])]
    try:
        item = dynamodb.update_if(
            _table(), {"batch_id": batch_id}, set=attributes, condition=" AND ".join(conditions), values=values
        )
    except ConditionFailed:
        return None
    return cast(Batch, item)


def _table() -> str:
    return setting("BATCHES_TABLE_NAME")


def _now() -> str:
    return _rfc3339(datetime.now(UTC))


def _rfc3339(moment: datetime) -> str:
    """As Step Functions writes ``$$.State.EnteredTime``."""
    return to_rfc3339(moment, "milliseconds")
