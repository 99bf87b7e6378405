"""The voucher table: {code, batch_id, purge_at}. Items never change: what becomes of a voucher is an item of another table.

So a chunk may be written as often as need be, even after somebody has redeemed a voucher of it.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from setpieces.aws import patient_client
from setpieces.batches import MOST_WRITES, TableBusy, write_batch
from setpieces.dynamodb_types import to_item
from setpieces.settings import setting

WRITERS = 4


class StoreBusy(Exception):
    """The table did not take all vouchers in time; writing them again is harmless."""


def store(codes: Sequence[str], batch_id: str, purge_at: int, seconds: float) -> None:
    """Write the vouchers of a chunk within ``seconds``. Raises ``StoreBusy``."""
    deadline = time.monotonic() + seconds
    facts = to_item({"batch_id": batch_id, "purge_at": purge_at})
    groups = [codes[start : start + MOST_WRITES] for start in range(0, len(codes), MOST_WRITES)]

    def write(group: Sequence[str]) -> None:
        puts = [{"PutRequest": {"Item": {"code": {"S": code}, **facts}}} for code in group]
        write_batch(patient_client("dynamodb"), setting("VOUCHERS_TABLE_NAME"), puts, deadline)

    try:
        with ThreadPoolExecutor(WRITERS) as writers:
            list(writers.map(write, groups))
    except TableBusy as error:
        raise StoreBusy from error
