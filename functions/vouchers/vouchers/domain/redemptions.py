"""Vouchers, their reservations by orders and their redemptions: statuses, and which requests repeat an earlier one. Pure."""

from datetime import datetime
from enum import StrEnum
from typing import NotRequired, TypedDict

from setpieces.errors import Refused
from setpieces.times import to_rfc3339
from vouchers.domain.batches import CANCELLED, Batch

# The statuses of a voucher; the sixth one is CANCELLED, as of its batch.
ACTIVE, NOT_YET_VALID, EXPIRED = "ACTIVE", "NOT_YET_VALID", "EXPIRED"
RESERVED, REDEEMED = "RESERVED", "REDEEMED"


class OrderState(StrEnum):
    """What an order does with a voucher."""

    RESERVED = "reserved"
    REDEEMED = "redeemed"
    RELEASED = "released"


class Voucher(TypedDict):
    """A stored voucher, which never changes; ``purge_at`` is in epoch seconds (TTL)."""

    code: str
    batch_id: str
    purge_at: int


class Redemption(TypedDict):
    """A stored redemption, or the reservation of a voucher for an order, which becomes its redemption.

    A redemption has ``redeemed_at``, a reservation has not; times are RFC 3339 in UTC. ``purge_at`` is in epoch seconds (TTL).
    ``attempt`` is a random id of the write that stored the item. Redemptions of earlier versions may have no ``order_number``.

    A reservation is for ``amount`` in minor units of ``currency``. From ``expires_at`` on, another order may take the voucher.
    ``order_attempt`` counts how often the order was reopened.
    """

    code: str
    batch_id: str
    redeemed_at: NotRequired[str]
    order_number: NotRequired[str]
    customer_id: NotRequired[str]
    amount: NotRequired[int]
    currency: NotRequired[str]
    expires_at: NotRequired[str]
    order_attempt: NotRequired[int]
    attempt: NotRequired[str]
    purge_at: int


def new_redemption(code: str, batch: Batch, now: datetime, order_number: str, customer_id: str | None) -> Redemption:
    """The redemption of a voucher of this batch, to be stored."""
    return _held(code, batch, order_number, customer_id) | {"redeemed_at": to_rfc3339(now)}


def new_reservation(
    code: str,
    batch: Batch,
    *,
    order_number: str,
    customer_id: str | None,
    amount: int,
    expires_at: str,
    order_attempt: int,
) -> Redemption:
    """The reservation of a voucher of this batch, to be stored."""
    return _held(code, batch, order_number, customer_id) | {
        "amount": amount,
        "currency": batch["currency"],
        "expires_at": expires_at,
        "order_attempt": order_attempt,
    }


def _held(code: str, batch: Batch, order_number: str, customer_id: str | None) -> Redemption:
    redemption: Redemption = {
        "code": code,
        "batch_id": batch["batch_id"],
        "order_number": order_number,
        "purge_at": batch["purge_at"],
    }
    return redemption | {"customer_id": customer_id} if customer_id else redemption


def belongs_to(redemption: Redemption | None, order_number: str) -> bool:
    """True if this is the redemption or the reservation of the order."""
    return redemption is not None and redemption.get("order_number") == order_number


def is_redeemed(redemption: Redemption) -> bool:
    """True for a redemption, False for a reservation."""
    return "redeemed_at" in redemption


def is_repetition(redemption: Redemption, order_number: str, customer_id: str | None) -> bool:
    """True if a request by this customer, None for a guest, repeats the one that redeemed the voucher for the order."""
    is_same = belongs_to(redemption, order_number) and redemption.get("customer_id") == customer_id
    return is_same and is_redeemed(redemption)


def holding_status(redemption: Redemption | None, now: datetime) -> str | None:
    """REDEEMED, RESERVED, or None for a voucher that no order has, or whose reservation has expired."""
    if redemption is None:
        return None
    if is_redeemed(redemption):
        return REDEEMED
    return RESERVED if redemption["expires_at"] > to_rfc3339(now) else None


def voucher_status(batch: Batch, now: datetime, redemption: Redemption | None) -> str:
    """ACTIVE if a voucher of the batch can be reserved and redeemed, otherwise the reason why not."""
    if status := holding_status(redemption, now):
        return status
    if batch["status"] == CANCELLED:
        return CANCELLED
    if now < datetime.fromisoformat(batch["valid_from"]):
        return NOT_YET_VALID
    return EXPIRED if now > datetime.fromisoformat(batch["valid_to"]) else ACTIVE


def voucher_not_found() -> Refused:
    """VOUCHER_NOT_FOUND, for a code that is malformed or unknown, or whose batch is not issued."""
    return Refused("VOUCHER_NOT_FOUND", "The voucher does not exist; check its spelling")


def not_redeemable(status: str) -> Refused:
    """VOUCHER_REDEEMED, _RESERVED, _EXPIRED, _NOT_YET_VALID or _CANCELLED, for a voucher with this status."""
    return Refused(f"VOUCHER_{status}", f"This voucher is {status.lower().replace('_', ' ')}")


def not_releasable(redemption: Redemption) -> Refused:
    """VOUCHER_RESERVED for a reservation; VOUCHER_REDEEMED for another redemption than the one to release."""
    if not is_redeemed(redemption):
        return Refused("VOUCHER_RESERVED", f"This voucher is reserved for {redemption['order_number']}")
    purpose = f"for {redemption['order_number']}" if "order_number" in redemption else "without an order"
    return Refused("VOUCHER_REDEEMED", f"This voucher is redeemed {purpose}")


def other_currency(batch: Batch) -> Refused:
    """VOUCHER_CURRENCY, for an amount in another currency than the voucher's."""
    return Refused("VOUCHER_CURRENCY", f"This voucher is in {batch['currency']}", "/currency")


def reservation_closed() -> Refused:
    """RESERVATION_CLOSED: the order's reservation was released or redeemed, or never existed."""
    return Refused("RESERVATION_CLOSED", "The order has no reservation of this voucher any more")
