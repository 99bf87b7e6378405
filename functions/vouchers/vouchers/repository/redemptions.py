"""The table of redemptions, with the gates that a cancellation closes for further redemptions of its batch.

redemption  ``Redemption``
gate        {code: <batch_id>/<number>, batch_id, purge_at}; the item exists if the gate is closed

A redemption and the check that its batch is not cancelled are one transaction. Transactions on the same item conflict, so they
do not check the one item of the batch: each checks that one of ``GATES`` items is absent, which only a cancellation writes.
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
    """Store a redemption if the voucher is not redeemed: None if it is stored now, otherwise the earlier redemption.

    Raises ``BatchCancelled``.
    """
    # The SDK repeats a call whose answer was lost: this identifies the item of the first attempt as ours.
    attempt = secrets.token_hex(8)
    gate = _gate_code(redemption["batch_id"], zlib.crc32(redemption["code"].encode()) % GATES)
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


def set_order_number(code: str, order_number: str, caller_key_digest: str) -> Redemption | None:
    """Store the order of a redemption that has none and has this digest as ``by``; the redemption as it is then.

    Of another redemption nothing is changed: it may have another order. None if the voucher is no longer redeemed.
    """
    try:
        item = dynamodb.update_if(
            _table(),
            {"code": code},
            set={"order_number": order_number},
            condition="#by = :by AND attribute_not_exists(order_number)",
            values={":by": caller_key_digest},
        )
    except ConditionFailed as failed:
        return cast(Redemption | None, failed.item)
    return cast(Redemption, item)


def delete(code: str, order_number: str | None) -> Redemption | None:
    """Delete the redemption of a voucher if its order is this one, or if both are None.

    None if the voucher is not redeemed afterwards, otherwise its redemption, which has another order or none.
    """
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
    """Refuse all further redemptions of a batch; may be repeated. ``purge_at`` is in epoch seconds (TTL)."""
    for number in range(GATES):
        dynamodb.put_if(_table(), {"code": _gate_code(batch_id, number), "batch_id": batch_id, "purge_at": purge_at})


def _gate_code(batch_id: str, number: int) -> str:
    return f"{batch_id}/{number}"


def _table() -> str:
    return setting("REDEMPTIONS_TABLE_NAME")
