"""Batches of vouchers: their attributes, their statuses, and which status may follow which. Pure."""

from typing import NotRequired, TypedDict

from vouchers.domain.chunks import count_in_chunks

PENDING, GENERATING, STORING, NOTIFYING = "PENDING", "GENERATING", "STORING", "NOTIFYING"
COMPLETE, FAILED = "COMPLETE", "FAILED"
CANCELLED = "CANCELLED"
ENDED = (COMPLETE, FAILED, CANCELLED)
# The value of the attribute ``open``, and the name of the index of open batches.
OPEN = "open"

_IN_PROGRESS = (PENDING, GENERATING, STORING, NOTIFYING)
# The statuses that each status may follow. A restarted workflow begins with GENERATING, wherever the last one stopped.
PRECEDING = {
    GENERATING: (*_IN_PROGRESS, FAILED),
    STORING: (GENERATING, STORING),
    NOTIFYING: (STORING, NOTIFYING),
    FAILED: _IN_PROGRESS,
    CANCELLED: (*_IN_PROGRESS, COMPLETE, FAILED),
}


class NewBatch(TypedDict):
    """A batch as it is requested. Times are RFC 3339 in UTC, ``value`` is in minor units, ``purge_at`` in epoch seconds (TTL).

    ``request`` is the digest of the request's parameters. Batches from before salts were introduced have no ``code_salt``.
    """

    batch_id: str
    count: int
    campaign: str
    value: int
    currency: str
    valid_from: str
    valid_to: str
    notify: str
    one_time: NotRequired[bool]
    requested_by: str
    request: str
    key_version: int
    code_salt: NotRequired[str]
    correlation_id: str
    purge_at: int


class Batch(NewBatch):
    """A stored batch.

    ``first`` and ``last`` are its leased numbers, ``chunks_done`` the indexes of its stored chunks. ``file_key``, ``sha256``
    and ``bytes`` describe its file. ``notified_of`` is the status that the requester was mailed about, COMPLETE or FAILED.
    ``open`` is removed when the batch is complete or cancelled, and for a failed batch once its failure is announced.
    """

    status: str
    created_at: str
    updated_at: str
    attempts: int
    first: NotRequired[int]
    last: NotRequired[int]
    chunks_done: NotRequired[set[int]]
    file_key: NotRequired[str]
    sha256: NotRequired[str]
    bytes: NotRequired[int]
    notified_of: NotRequired[str]
    notified_at: NotRequired[str]
    reason: NotRequired[str]
    open: NotRequired[str]


class OpenBatch(TypedDict):
    """A batch in the index of open batches, which has no other attributes."""

    batch_id: str
    status: str
    attempts: int
    correlation_id: str
    updated_at: str
    open: str


class BatchOver(Exception):
    """The batch was cancelled, or has ended in another execution: no step may change it."""


def generated_count(batch: Batch) -> int:
    """The number of vouchers that are stored."""
    return count_in_chunks(batch["count"], batch.get("chunks_done", ()))


def is_issued(batch: Batch) -> bool:
    """True if all vouchers and the file are stored, and the batch is not cancelled."""
    return batch["status"] in (NOTIFYING, COMPLETE)
