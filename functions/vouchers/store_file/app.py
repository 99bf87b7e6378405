"""A step of the workflow: the parts of all chunks become one file with a manifest.

{batch_id} -> nothing. Raises ``BatchOver``, ``CountMismatch``.
"""

from typing import Any

from voucher_batches import NOTIFYING, STORING, BatchOver, advance, touch
from voucher_chunks import chunks
from voucher_files import file_key, remove_parts, store_file
from voucher_runs import run_step

from setpieces.observability import count


@run_step
def handler(event: dict[str, Any], remaining_seconds: float) -> None:
    batch = advance(event["batch_id"], STORING)
    if batch is not None:
        _store(batch)
    else:
        # A repetition, after an attempt that failed when the file was already known, goes on from there.
        batch = touch(event["batch_id"], NOTIFYING)
    if batch is None:
        raise BatchOver(event["batch_id"])
    # Last, and only when the file is known: a run that broke off before needs them again.
    remove_parts(batch["batch_id"], _parts(batch))


def _store(batch: dict[str, Any]) -> None:
    if "sha256" not in batch:
        manifest = store_file(batch["batch_id"], _parts(batch), batch["count"])
        batch |= {"file_key": file_key(batch["batch_id"]), "sha256": manifest.sha256, "bytes": manifest.bytes}
    facts = {name: batch[name] for name in ("file_key", "sha256", "bytes")}
    if advance(batch["batch_id"], NOTIFYING, **facts) is None:
        raise BatchOver(batch["batch_id"])
    count("VouchersMade", batch["count"])


def _parts(batch: dict[str, Any]) -> int:
    return len(chunks(batch["first"], batch["count"]))
