"""Generation of a batch, in the steps of the state machine; each may be repeated with the same result."""

from dataclasses import asdict
from typing import Any

from setpieces.observability import count
from vouchers.clients.code_keys import code_key
from vouchers.clients.sequences import lease_numbers
from vouchers.domain.batches import CANCELLED, GENERATING, NOTIFYING, STORING, Batch, BatchOver
from vouchers.domain.chunks import Chunk, split
from vouchers.domain.codes import HALF, RADIX, make_codes
from vouchers.domain.permutation import Permutation
from vouchers.domain.tags import make_tags
from vouchers.repository import batches, files, vouchers

# For the part of the file and the update of the batch, after the vouchers are stored.
RESERVE_SECONDS = 10


def list_chunks(batch_id: str) -> list[dict[str, Any]]:
    """The chunks that are to be generated, once the batch has its numbers: [{index, first, count}].

    Raises ``BatchOver``, ``SequencesUnavailable``.
    """
    batch = batches.change_status(batch_id, GENERATING)
    if batch and "first" not in batch:
        first, last = lease_numbers(batch["count"])
        # If another execution has assigned numbers since, these remain unused.
        batch = batches.assign_numbers(batch_id, first, last) or batches.find(batch_id)
    if batch is None:
        raise BatchOver(batch_id)
    done = {int(index) for index in batch.get("chunks_done", ())}
    if done and "sha256" not in batch:
        # Parts expire after a day. For a failed batch that is restarted later, they are generated again, the same ones.
        done &= files.list_parts(batch_id)
    return [asdict(chunk) for chunk in split(batch["first"], batch["count"], done)]


def generate_chunk(batch_id: str, chunk: Chunk, remaining_seconds: float) -> None:
    """Store the vouchers of a chunk and its part of the file. Raises ``BatchOver``, ``StoreBusy``."""
    batch = batches.find(batch_id)
    if batch is None or batch["status"] != GENERATING:
        raise BatchOver(batch_id)
    codes = _codes(batch, chunk)
    vouchers.store(codes, batch_id, batch["purge_at"], remaining_seconds - RESERVE_SECONDS)
    files.store_part(batch_id, chunk.index, codes)
    batches.mark_chunk_done(batch_id, chunk.index)


def store_file(batch_id: str) -> None:
    """Store the parts of all chunks as one file with a manifest. Raises ``BatchOver``, ``CountMismatch``."""
    batch = _store_file(batch_id)
    if batch is None:
        _delete_cancelled_file(batch_id)
        raise BatchOver(batch_id)
    # Last, once the batch has its file: until then a repeated step needs the parts.
    files.delete_parts(batch_id, _parts(batch))


def _codes(batch: Batch, chunk: Chunk) -> list[str]:
    version, salt = batch["key_version"], batch.get("code_salt")
    # Batches from before salts were introduced keep the codes that they have, which are without tags.
    tags = make_tags(code_key(version, salt), chunk.first, chunk.count) if salt else None
    return make_codes(Permutation(code_key(version), RADIX, HALF), version, chunk.first, chunk.count, tags)


def _store_file(batch_id: str) -> Batch | None:
    """The batch with its file; None if it is cancelled, or has ended in another execution."""
    batch = batches.change_status(batch_id, STORING)
    if batch is None:
        # An earlier attempt of this step may have failed after the file was stored.
        return batches.touch(batch_id, NOTIFYING)
    if "sha256" in batch:
        file = {"file_key": batch["file_key"], "sha256": batch["sha256"], "bytes": batch["bytes"]}
    else:
        manifest = files.store_file(batch_id, _parts(batch), batch["count"])
        file = {"file_key": files.file_key(batch_id), "sha256": manifest.sha256, "bytes": manifest.bytes}
    stored = batches.change_status(batch_id, NOTIFYING, **file)
    if stored:
        count("VouchersMade", stored["count"])
    return stored


def _delete_cancelled_file(batch_id: str) -> None:
    """Delete a file that was stored after the cancellation had deleted it."""
    batch = batches.find(batch_id)
    if batch and batch["status"] == CANCELLED:
        files.delete_file(batch_id)


def _parts(batch: Batch) -> int:
    return len(split(batch["first"], batch["count"]))
