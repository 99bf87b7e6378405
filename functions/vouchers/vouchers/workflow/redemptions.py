"""Redemption of a voucher over the API, in which the SDK and clients may repeat any step."""

from datetime import UTC, datetime

from setpieces.observability import count
from vouchers.clients import orders
from vouchers.domain.batches import CANCELLED, Batch
from vouchers.domain.redemptions import (
    ACTIVE,
    Redemption,
    belongs_to,
    is_repetition,
    new_redemption,
    not_redeemable,
    voucher_status,
)
from vouchers.repository import redemptions
from vouchers.repository.redemptions import BatchCancelled, Held
from vouchers.requests import RedeemVoucher


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
