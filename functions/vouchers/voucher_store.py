"""The voucher table: {code, batch_id, purge_at}. Items never change: what becomes of a voucher is an item of another table.

So a chunk may be written as often as need be, even after somebody has redeemed a voucher of it.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from setpieces.aws import patient_client
from setpieces.items import to_item
from setpieces.settings import setting

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
MOST = 25
WRITERS = 4
FIRST_WAIT_SECONDS = 0.05
MAX_WAIT_SECONDS = 5.0


class StoreBusy(Exception):
    """The table did not take all vouchers in time; writing them again is harmless."""


def store(codes: Sequence[str], batch_id: str, purge_at: int, seconds: float) -> None:
    """Write the vouchers of a chunk within ``seconds``. Raises ``StoreBusy``."""
    deadline = time.monotonic() + seconds
    facts = to_item({"batch_id": batch_id, "purge_at": purge_at})
    groups = [codes[start : start + MOST] for start in range(0, len(codes), MOST)]
    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(lambda group: _write(group, facts, deadline), groups))


def _write(codes: Sequence[str], facts: dict[str, Any], deadline: float) -> None:
    """Up to ``MOST`` items; those that the table leaves unprocessed again, later and later."""
    waiting: list[Any] = [{"PutRequest": {"Item": {"code": {"S": code}, **facts}}} for code in codes]
    wait = FIRST_WAIT_SECONDS
    table = setting("VOUCHERS_TABLE_NAME")
    while True:
        answer = patient_client("dynamodb").batch_write_item(RequestItems={table: waiting})
        waiting = answer.get("UnprocessedItems", {}).get(table, [])
        if not waiting:
            return
        if time.monotonic() + wait > deadline:
            raise StoreBusy(f"{len(waiting)} vouchers were left unprocessed")
        time.sleep(wait)
        wait = min(2 * wait, MAX_WAIT_SECONDS)
