"""The table of vouchers. Its items never change: redemptions are in another table.

So a chunk may be stored any number of times, even after one of its vouchers was redeemed.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from setpieces import dynamodb
from setpieces.aws import patient_client
from setpieces.batches import MOST_WRITES, TableBusy, write_batch
from setpieces.dynamodb_types import to_item
from setpieces.settings import setting
from vouchers.domain.redemptions import Voucher

WRITERS = 4


class StoreBusy(Exception):
    """The table did not accept all vouchers in time; storing them again does no harm."""


def find(code: str) -> Voucher | None:
    """The voucher, None if it does not exist."""
    return cast(Voucher | None, dynamodb.get(setting("VOUCHERS_TABLE_NAME"), {"code": code}))


def store(codes: Sequence[str], batch_id: str, purge_at: int, seconds: float) -> None:
    """Store the vouchers of a chunk within ``seconds``. Raises ``StoreBusy``."""
    deadline = time.monotonic() + seconds
    attributes = to_item({"batch_id": batch_id, "purge_at": purge_at})
    groups = [codes[start : start + MOST_WRITES] for start in range(0, len(codes), MOST_WRITES)]

    def write(group: Sequence[str]) -> None:
        puts = [{"PutRequest": {"Item": {"code": {"S": code}, **attributes}}} for code in group]
        write_batch(patient_client("dynamodb"), setting("VOUCHERS_TABLE_NAME"), puts, deadline)

    try:
        with ThreadPoolExecutor(WRITERS) as writers:
            list(writers.map(write, groups))
    except TableBusy as error:
        raise StoreBusy from error
