"""The table of redemptions and reservations, with what closes a batch or an order for further ones.

redemption  ``Redemption``, of one voucher: an order's reservation, then its redemption
gate        {code: <batch_id>/<number>, batch_id, purge_at}; the item exists if the gate is closed
tombstone   {code: <code>/<order_number>, released_attempt, purge_at}; an order has released the voucher

A new reservation or redemption and the check that its batch is not cancelled are one transaction. Transactions on the same item
conflict, so they do not check the one item of the batch: each checks that one of ``GATES`` items is absent, which only a
cancellation writes. What an order has reserved before, it may redeem after a cancellation.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
"""

import secrets
import zlib
from datetime import UTC, datetime, timedelta
from typing import cast

from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed, TransactionRefused
from setpieces.settings import setting
from setpieces.times import to_rfc3339
from vouchers.domain.redemptions import Redemption, belongs_to, is_redeemed

# One gate is enough for some thirty redemptions of a batch each second; the API accepts 500 a second in all.
GATES = 16
# Longer than a message of an order can wait on its queue and as a dead letter.
TOMBSTONE_DAYS = 30

# A redemption has no ``expires_at``.
_IS_FREE = "attribute_not_exists(code) OR expires_at <= :now"


class BatchCancelled(Exception):
    """The batch is cancelled; nothing was stored."""


class Released(Exception):
    """The order has released the voucher in this attempt or a later one; nothing was stored."""


class Held(Exception):
    """Another order holds the voucher, or this one has stored its reservation before: ``redemption``."""

    def __init__(self, redemption: Redemption) -> None:
        super().__init__()
        self.redemption = redemption


def find(code: str) -> Redemption | None:
    """The redemption or reservation of a voucher, None without one."""
    return cast(Redemption | None, dynamodb.get(_table(), {"code": code}))


def create(redemption: Redemption) -> None:
    """Store a redemption or a reservation of a voucher that is free, or whose reservation has expired by now.

    Raises ``BatchCancelled``, ``Held``, and ``Released`` for a reservation.
    """
    # The SDK repeats a call whose answer was lost: this identifies the item of the first attempt as ours.
    attempt = secrets.token_hex(8)
    code = redemption["code"]
    gate = _gate_code(redemption["batch_id"], zlib.crc32(code.encode()) % GATES)
    now = to_rfc3339(datetime.now(UTC))
    writes = [
        dynamodb.put(_table(), {**redemption, "attempt": attempt}, _IS_FREE, {":now": now}),
        dynamodb.check(_table(), {"code": gate}, "attribute_not_exists(code)"),
    ]
    if not is_redeemed(redemption):
        tombstone = {"code": _tombstone_code(code, redemption["order_number"])}
        condition = "attribute_not_exists(code) OR released_attempt < :attempt"
        writes.append(dynamodb.check(_table(), tombstone, condition, {":attempt": redemption["order_attempt"]}))
    try:
        dynamodb.transact(writes)
    except TransactionRefused as refused:
        held, closed, *_ = refused.failures
        if held and held.item:
            if held.item.get("attempt") == attempt:
                return
            raise Held(cast(Redemption, held.item)) from refused
        raise (BatchCancelled if closed else Released) from refused


def renew(code: str, order_number: str, order_attempt: int, expires_at: str) -> Redemption | None:
    """Extend the order's reservation to a later ``expires_at``, or take it over for a later ``order_attempt``.

    What is stored afterwards, changed or not.
    """
    try:
        item = dynamodb.update_if(
            _table(),
            {"code": code},
            set={"expires_at": expires_at, "order_attempt": order_attempt},
            condition=(
                "order_number = :order_number AND attribute_not_exists(redeemed_at)"
                " AND (order_attempt < :attempt OR (order_attempt = :attempt AND expires_at < :until))"
            ),
            values={":order_number": order_number, ":attempt": order_attempt, ":until": expires_at},
        )
    except ConditionFailed as failed:
        return cast(Redemption | None, failed.item)
    return cast(Redemption, item)


def redeem(code: str, order_number: str) -> tuple[Redemption | None, bool]:
    """Make the order's reservation its redemption, also if it has expired and no other order has taken the voucher.

    What is stored afterwards, and whether it was changed.
    """
    try:
        item = dynamodb.update_if(
            _table(),
            {"code": code},
            set={"redeemed_at": to_rfc3339(datetime.now(UTC)), "expires_at": None},
            condition="order_number = :order_number AND attribute_not_exists(redeemed_at)",
            values={":order_number": order_number},
        )
    except ConditionFailed as failed:
        return cast(Redemption | None, failed.item), False
    return cast(Redemption, item), True


def release(code: str, order_number: str, order_attempt: int) -> Redemption | None:
    """Delete the order's reservation, and refuse late ones of this attempt; the order's redemption if it has one.

    May be repeated. A reservation of a later attempt, or of another order, stays.
    """
    # Before the deletion, so that no reservation of this attempt is stored after it.
    _store_tombstone(code, order_number, order_attempt)
    try:
        dynamodb.delete_if(
            _table(),
            {"code": code},
            "order_number = :order_number AND attribute_not_exists(redeemed_at) AND order_attempt <= :attempt",
            {":order_number": order_number, ":attempt": order_attempt},
        )
    except ConditionFailed as failed:
        stored = cast(Redemption | None, failed.item)
        return stored if stored and is_redeemed(stored) and belongs_to(stored, order_number) else None
    return None


def delete(code: str, order_number: str | None) -> Redemption | None:
    """Delete the redemption of a voucher if its order is this one, or if both are None.

    None if the voucher is not held afterwards, otherwise its redemption, which has another order or none, or its reservation.
    """
    condition, values = "attribute_not_exists(order_number)", {}
    if order_number:
        condition = "attribute_not_exists(code) OR (order_number = :order_number AND attribute_exists(redeemed_at))"
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


def _store_tombstone(code: str, order_number: str, order_attempt: int) -> None:
    """Store the tombstone, unless there is one of this attempt or a later one."""
    purge_at = datetime.now(UTC) + timedelta(days=TOMBSTONE_DAYS)
    tombstone = {
        "code": _tombstone_code(code, order_number),
        "released_attempt": order_attempt,
        "purge_at": int(purge_at.timestamp()),
    }
    condition = "attribute_not_exists(code) OR released_attempt < :attempt"
    try:
        dynamodb.put_if(_table(), tombstone, condition, {":attempt": order_attempt})
    except ConditionFailed:
        return


def _gate_code(batch_id: str, number: int) -> str:
    return f"{batch_id}/{number}"


def _tombstone_code(code: str, order_number: str) -> str:
    return f"{code}/{order_number}"


def _table() -> str:
    return setting("REDEMPTIONS_TABLE_NAME")
