"""Reservation and redemption of a voucher, in which the SDK, clients and the orders service may repeat any step."""

from datetime import UTC, datetime

from setpieces.errors import Refused
from setpieces.observability import count
from vouchers.clients import orders
from vouchers.domain.batches import CANCELLED, Batch, is_issued
from vouchers.domain.redemptions import (
    ACTIVE,
    REDEEMED,
    Redemption,
    belongs_to,
    holding_status,
    is_redeemed,
    is_repetition,
    new_redemption,
    new_reservation,
    not_redeemable,
    other_currency,
    reservation_closed,
    voucher_not_found,
    voucher_status,
)
from vouchers.repository import batches, redemptions, vouchers
from vouchers.repository.redemptions import BatchCancelled, Held, Released
from vouchers.requests import RedeemReservation, RedeemVoucher, ReleaseReservation, ReserveVoucher


def load_batch_of(code: str) -> Batch:
    """The batch of a voucher. Raises ``Refused`` VOUCHER_NOT_FOUND, also if the batch is neither issued nor cancelled."""
    voucher = vouchers.find(code)
    batch = batches.find(voucher["batch_id"]) if voucher else None
    if batch is None or not (is_issued(batch) or batch["status"] == CANCELLED):
        raise voucher_not_found()
    return batch


def redeem(command: RedeemVoucher, batch: Batch) -> tuple[Redemption, bool]:
    """Redeem a voucher for a complete order that the caller may read; the redemption, and whether it is new.

    A repeated request gets the earlier redemption, also when the voucher has expired, its batch was cancelled or the order's
    status has expired since. So does a voucher that the order has reserved.

    Raises ``Refused`` as ``orders.check_complete`` does, and VOUCHER_<status> for a voucher that cannot be redeemed.
    """
    stored = redemptions.find(command.code)
    if stored and is_repetition(stored, command.order_number, command.customer_id):
        return stored, False
    orders.check_complete(command.order_number, command.authorization)
    return _redeem(command, batch, stored)


def _redeem(command: RedeemVoucher, batch: Batch, stored: Redemption | None) -> tuple[Redemption, bool]:
    if belongs_to(stored, command.order_number):
        stored, is_new = redemptions.redeem(command.code, command.order_number)
        if stored and belongs_to(stored, command.order_number):
            if is_new:
                count("VoucherRedeemed")
            return stored, is_new
    now = datetime.now(UTC)
    if (status := voucher_status(batch, now, stored)) != ACTIVE:
        raise not_redeemable(status)
    redemption = new_redemption(command.code, batch, now, command.order_number, command.customer_id)
    try:
        redemptions.create(redemption)
    except BatchCancelled:
        raise not_redeemable(CANCELLED) from None
    except Held as held:
        return _redeem(command, batch, held.redemption)
    count("VoucherRedeemed")
    return redemption, True


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
