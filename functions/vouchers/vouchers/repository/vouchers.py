"""Vouchers, their redemptions, and the gates that a cancelled batch closes to further redemptions.

vouchers table:     voucher     {code, batch_id, purge_at}
redemptions table:  redemption  {code, batch_id, redeemed_at, attempt, order_number?, customer_id?, by?, purge_at}
                    gate        {code: <batch_id>/<number>, batch_id, purge_at}

A redemption and the check that its batch is not cancelled are one transaction. Transactions on the same item refuse each other,
so they do not check the batch, of which there is one: each checks one of ``GATES`` items that only a cancellation writes.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
"""

import secrets
import zlib
from typing import Any

from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed, TransactionRefused
from setpieces.settings import setting

# About thirty redemptions a second of one batch need one gate; the API takes 500 a second in all.
GATES = 16


class BatchCancelled(Exception):
    """The batch was cancelled; nothing was redeemed."""


def find(code: str) -> dict[str, Any] | None:
    """The voucher; None if there is none."""
    return dynamodb.get(setting("VOUCHERS_TABLE_NAME"), {"code": code})


def find_redemption(code: str) -> dict[str, Any] | None:
    """The redemption of a voucher; None if it is not redeemed."""
    return dynamodb.get(setting("REDEMPTIONS_TABLE_NAME"), {"code": code})


def redeem(code: str, facts: dict[str, Any]) -> dict[str, Any] | None:
    """Redeem a voucher; the redemption that was there before, None if it is this one. Raises ``BatchCancelled``."""
    # The SDK repeats a call whose answer was lost: this tells our own redemption from another.
    attempt, table = secrets.token_hex(8), setting("REDEMPTIONS_TABLE_NAME")
    gate = _gate(facts["batch_id"], zlib.crc32(code.encode()) % GATES)
    check = dynamodb.check(table, {"code": gate}, "attribute_not_exists(code)")
    put = dynamodb.put(table, {"code": code, "attempt": attempt, **facts}, "attribute_not_exists(code)")
    try:
        dynamodb.transact([check, put])
    except TransactionRefused as refused:
        _, redeemed = refused.failures
        if redeemed and redeemed.item:
            return redeemed.item if redeemed.item.get("attempt") != attempt else None
        raise BatchCancelled(facts["batch_id"]) from refused
    return None


def name_order(code: str, facts: dict[str, Any]) -> dict[str, Any] | None:
    """Note the order that a redemption of this caller and key is for, if it has none; the redemption as it is then.

    None if the voucher is not redeemed any more.
    """
    try:
        return dynamodb.update_if(
            setting("REDEMPTIONS_TABLE_NAME"),
            {"code": code},
            set={"order_number": facts["order_number"]},
            condition="#by = :by AND attribute_not_exists(order_number)",
            values={":by": facts["by"]},
        )
    except ConditionFailed as failed:
        return failed.item


def release(code: str, order_number: str | None) -> dict[str, Any] | None:
    """Undo the redemption of a voucher for this order, or for none; the redemption that stays because it is for another."""
    condition, values = "attribute_not_exists(order_number)", {}
    if order_number:
        condition = "attribute_not_exists(code) OR order_number = :order_number"
        values = {":order_number": order_number}
    try:
        dynamodb.delete_if(setting("REDEMPTIONS_TABLE_NAME"), {"code": code}, condition, values)
    except ConditionFailed as failed:
        return failed.item
    return None


def refuse_redemptions(batch_id: str, purge_at: int) -> None:
    """From now on no voucher of the batch can be redeemed."""
    for number in range(GATES):
        gate = {"code": _gate(batch_id, number), "batch_id": batch_id, "purge_at": purge_at}
        dynamodb.put_if(setting("REDEMPTIONS_TABLE_NAME"), gate)


def _gate(batch_id: str, number: int) -> str:
    return f"{batch_id}/{number}"
