"""Reservation of a voucher by an order, which redeems or releases it; the SDK and the orders service may repeat any step."""

from datetime import UTC, datetime

from setpieces.errors import Refused
from setpieces.observability import count
from vouchers.domain.batches import CANCELLED, Batch
from vouchers.domain.redemptions import (
    ACTIVE,
    REDEEMED,
    Redemption,
    belongs_to,
    holding_status,
    is_redeemed,
    new_reservation,
    not_redeemable,
    other_currency,
    reservation_closed,
    voucher_status,
)
from vouchers.repository import redemptions
from vouchers.repository.redemptions import BatchCancelled, Held, Released
from vouchers.requests import RedeemReservation, ReleaseReservation, ReserveVoucher
from vouchers.workflow.vouchers import load_batch_of


def reserve(command: ReserveVoucher) -> tuple[Redemption, bool]:
    """Reserve a voucher for an order, or extend the order's reservation; the reservation, and whether it is new.

    A reservation may be extended, also after the voucher has expired or its batch was cancelled.

    Raises ``Refused``: VOUCHER_<status> for a voucher that cannot be reserved, VOUCHER_CURRENCY, INVALID_REQUEST for more than
    the voucher's value, and RESERVATION_CLOSED if the order has released or redeemed it in this attempt or a later one.
    """
    batch = load_batch_of(command.code)
    return _reserve(command, batch, redemptions.find(command.code))


def _reserve(command: ReserveVoucher, batch: Batch, stored: Redemption | None) -> tuple[Redemption, bool]:
    if belongs_to(stored, command.order_number):
        stored = redemptions.renew(command.code, command.order_number, command.attempt, command.expires_at)
        if stored and belongs_to(stored, command.order_number):
            if is_redeemed(stored) or stored["order_attempt"] > command.attempt:
                raise reservation_closed()
            return stored, False
    if (status := voucher_status(batch, datetime.now(UTC), stored)) != ACTIVE:
        raise not_redeemable(status)
    if command.currency != batch["currency"]:
        raise other_currency(batch)
    if command.amount > batch["value"]:
        raise Refused("INVALID_REQUEST", "must not be more than the voucher's value", "/amount")
    reservation = new_reservation(
        command.code,
        batch,
        order_number=command.order_number,
        customer_id=command.customer_id,
        amount=command.amount,
        expires_at=command.expires_at,
        order_attempt=command.attempt,
    )
    try:
        redemptions.create(reservation)
    except BatchCancelled:
        raise not_redeemable(CANCELLED) from None
    except Released:
        raise reservation_closed() from None
    except Held as held:
        return _reserve(command, batch, held.redemption)
    count("VoucherReserved")
    return reservation, True


def redeem_reservation(command: RedeemReservation) -> Redemption:
    """Make an order's reservation its redemption, also after the voucher has expired or its batch was cancelled.

    A repeated request gets the earlier redemption. Raises ``Refused`` VOUCHER_REDEEMED or VOUCHER_RESERVED if another order
    holds the voucher, RESERVATION_CLOSED if the order has no reservation.
    """
    stored, is_new = redemptions.redeem(command.code, command.order_number)
    if stored is None or not belongs_to(stored, command.order_number):
        status = holding_status(stored, datetime.now(UTC))
        raise not_redeemable(status) if status else reservation_closed()
    if is_new:
        count("VoucherRedeemed")
    return stored


def release(command: ReleaseReservation) -> None:
    """Release an order's reservation, if it has one. Raises ``Refused`` VOUCHER_REDEEMED if the order has redeemed it."""
    if redemptions.release(command.code, command.order_number, command.attempt):
        raise not_redeemable(REDEEMED)
