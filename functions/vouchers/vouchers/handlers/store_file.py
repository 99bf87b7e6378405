"""A step of the workflow: the parts of all chunks become one file with a manifest.

{batch_id} -> nothing. Raises ``BatchOver``, ``CountMismatch``.
"""

from typing import Any

from setpieces.observability import count
from vouchers.clients.runs import run_step
from vouchers.domain.files import file_key, remove_file, remove_parts, store_file
from vouchers.repository.batches import CANCELLED, NOTIFYING, STORING, Batch, BatchOver, advance, read, touch
from vouchers.repository.chunks import chunks


@run_step
def handler(event: dict[str, Any], remaining_seconds: float) -> None:
    batch = _store(event["batch_id"])
    if batch is None:
        _remove_cancelled(event["batch_id"])
        raise BatchOver(event["batch_id"])
    # Last, and only when the file is known: a run that broke off before needs them again.
    remove_parts(batch["batch_id"], _parts(batch))


def _store(batch_id: str) -> Batch | None:
    """The batch with its file; None if it was cancelled, or has ended in another run."""
    batch = advance(batch_id, STORING)
    if batch is None:
        # A repetition, after an attempt that failed when the file was already known, goes on from there.
        return touch(batch_id, NOTIFYING)
    if "sha256" not in batch:
        manifest = store_file(batch_id, _parts(batch), batch["count"])
        batch |= {"file_key": file_key(batch_id), "sha256": manifest.sha256, "bytes": manifest.bytes}
    facts = {name: batch[name] for name in ("file_key", "sha256", "bytes")}
    stored = advance(batch_id, NOTIFYING, **facts)
    if stored:
        count("VouchersMade", batch["count"])
    return stored


def _remove_cancelled(batch_id: str) -> None:
    """A cancellation removes the file, but this attempt or the one before may have stored it after that."""
    batch = read(batch_id)
    if batch and batch["status"] == CANCELLED:
        remove_file(batch_id)


def _parts(batch: Batch) -> int:
    return len(chunks(batch["first"], batch["count"]))
