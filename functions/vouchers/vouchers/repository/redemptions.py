"""The table of redemptions, with the gates that a cancellation closes for further redemptions of its batch.

redemption  ``Redemption``
gate        {code: <batch_id>/<number>, batch_id, purge_at}

A redemption and the check that its batch is not cancelled are one transaction. Transactions on the same item conflict, so they
do not check the one item of the batch: each checks one of ``GATES`` items that only a cancellation writes.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
"""

import secrets
import zlib
from typing import cast

from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed, TransactionRefused
from setpieces.settings import setting
from vouchers.domain.redemptions import Redemption

# One gate is enough for some thirty redemptions of a batch each second; the API accepts 500 a second in all.
GATES = 16


class BatchCancelled(Exception):
    """The batch is cancelled; nothing was redeemed."""


def find(code: str) -> Redemption | None:
    """The redemption of a voucher, None if it is not redeemed."""
    return cast(Redemption | None, dynamodb.get(_table(), {"code": code}))


def create(redemption: Redemption) -> Redemption | None:
    """Store a redemption; the earlier one if the voucher is redeemed, otherwise None. Raises ``BatchCancelled``."""
    # The SDK repeats a call whose answer was lost: this identifies the item of the first attempt as ours.
    attempt = secrets.token_hex(8)
    gate = _gate(redemption["batch_id"], zlib.crc32(redemption["code"].encode()) % GATES)
    check = dynamodb.check(_table(), {"code": gate}, "attribute_not_exists(code)")
    put = dynamodb.put(_table(), {**redemption, "attempt": attempt}, "attribute_not_exists(code)")
    try:
        dynamodb.transact([check, put])
    except TransactionRefused as refused:
        _, failure = refused.failures
        if failure and failure.item:
            earlier = cast(Redemption, failure.item)
            return earlier if earlier.get("attempt") != attempt else None
        raise BatchCancelled(redemption["batch_id"]) from refused
    return None


def set_order_number(code: str, order_number: str, by: str) -> Redemption | None:
    """Store the order of a redemption that has none and was made by ``by``; the redemption as it is then.

    None if the voucher is no longer redeemed.
    """
    try:
        item = dynamodb.update_if(
            _table(),
            {"code": code},
            set={"order_number": order_number},
            condition="#by = :by AND attribute_not_exists(order_number)",
            values={":by": by},
        )
    except ConditionFailed as failed:
        return cast(Redemption | None, failed.item)
    return cast(Redemption, item)


def delete(code: str, order_number: str | None) -> Redemption | None:
    """Delete the redemption for this order, or the one without an order; the redemption if it is for another order."""
    condition, values = "attribute_not_exists(order_number)", {}
    if order_number:
        condition = "attribute_not_exists(code) OR order_number = :order_number"
        values = {":order_number": order_number}
    try:
        dynamodb.delete_if(_table(), {"code": code}, condition, values)
    except ConditionFailed as failed:
        return cast(Redemption | None, failed.item)
    return None


def close_gates(batch_id: str, purge_at: int) -> None:
    """Refuse all further redemptions of a batch."""
    for number in range(GATES):
        dynamodb.put_if(_table(), {"code": _gate(batch_id, number), "batch_id": batch_id, "purge_at": purge_at})


def _gate(batch_id: str, number: int) -> str:
    return f"{batch_id}/{number}"


def _table() -> str:
    return setting("REDEMPTIONS_TABLE_NAME")
