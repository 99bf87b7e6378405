"""A step of the workflow, once for each chunk: its codes, into the voucher table and into a part of the file.

{batch_id, chunk: {index, first, count}} -> nothing. The same again makes the same codes. Raises ``BatchOver``, ``StoreBusy``.
"""

from typing import Any

from vouchers.clients.keys import code_key
from vouchers.clients.runs import run_step
from vouchers.clients.store import store
from vouchers.domain.codes import HALF, RADIX, make
from vouchers.domain.files import store_part
from vouchers.domain.permutation import Permutation
from vouchers.domain.tags import tags
from vouchers.repository.batches import GENERATING, BatchOver, chunk_done, read

# Left for the part and for what is entered on the batch.
RESERVE_SECONDS = 10


@run_step
def handler(event: dict[str, Any], remaining_seconds: float) -> None:
    chunk, batch = event["chunk"], read(event["batch_id"])
    if batch is None or batch["status"] != GENERATING:
        raise BatchOver(event["batch_id"])
    version, salt, first, count = batch["key_version"], batch.get("code_salt"), chunk["first"], chunk["count"]
    # Without a salt: a batch from before there were salts, whose codes stay as they are.
    own = tags(code_key(version, salt), first, count) if salt else None
    codes = make(Permutation(code_key(version), RADIX, HALF), version, first, count, own)
    store(codes, batch["batch_id"], batch["purge_at"], remaining_seconds - RESERVE_SECONDS)
    store_part(batch["batch_id"], chunk["index"], codes)
    chunk_done(batch["batch_id"], chunk["index"])
