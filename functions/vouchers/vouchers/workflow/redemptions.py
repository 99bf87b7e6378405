"""Redemption of a voucher, in which the SDK, the client and the checkout may repeat any step."""

from dataclasses import asdict
from datetime import datetime

from setpieces.observability import count
from vouchers.domain.batches import CANCELLED, Batch, is_issued
from vouchers.domain.redemptions import (
    ACTIVE,
    REDEEMED,
    Redemption,
    is_repetition,
    new_redemption,
    not_redeemable,
    voucher_not_found,
    voucher_status,
)
from vouchers.repository import batches, redemptions, vouchers
from vouchers.repository.redemptions import BatchCancelled
from vouchers.requests import RedeemVoucher


def load_batch_of(code: str) -> Batch:
    """The batch of a voucher. Raises ``Refused`` VOUCHER_NOT_FOUND, also if the batch is neither issued nor cancelled."""
    voucher = vouchers.find(code)
    batch = batches.find(voucher["batch_id"]) if voucher else None
    if batch is None or not (is_issued(batch) or batch["status"] == CANCELLED):
        raise voucher_not_found()
    return batch


def redeem(command: RedeemVoucher, batch: Batch, now: datetime) -> tuple[Redemption, bool]:
    """Redeem a voucher of the batch; its redemption, and whether it is new.

    A repeated request gets the earlier redemption, also when the voucher has expired or its batch was cancelled since. If it
    has an order number and the earlier redemption has none, the number is added.

    Raises ``Refused`` VOUCHER_EXPIRED, VOUCHER_NOT_YET_VALID, VOUCHER_CANCELLED, also for a voucher that is redeemed; otherwise
    VOUCHER_REDEEMED.
    """
    # The status that the voucher has unless it is redeemed, which only the write itself can tell.
    status = voucher_status(batch, now, is_redeemed=False)
    redemption = new_redemption(batch, now, **asdict(command))
    try:
        earlier = _create_or_amend(redemption, status)
    except BatchCancelled:
        raise not_redeemable(CANCELLED) from None
    if earlier and is_repetition(redemption, earlier):
        return earlier, False
    if earlier or status != ACTIVE:
        raise not_redeemable(REDEEMED if status == ACTIVE else status)
    count("VoucherRedeemed")
    return redemption, True


def _create_or_amend(redemption: Redemption, status: str) -> Redemption | None:
    """Store a redemption, or add its order number to the earlier one that it repeats; the earlier one, None without one.

    It is stored only if ``status`` is ACTIVE: the status that the voucher has unless it is redeemed. Raises ``BatchCancelled``.
    """
    code = redemption["code"]
    earlier = redemptions.create(redemption) if status == ACTIVE else redemptions.find(code)
    if (
        not earlier
        or not is_repetition(redemption, earlier)
        or "order_number" not in redemption
        or "order_number" in earlier
    ):
        return earlier
    # The checkout redeems a voucher before the order has its number, and repeats the request with the number. If an admin has
    # released the voucher since, it is redeemed again, because the order is placed.
    amended = redemptions.set_order_number(code, redemption["order_number"], redemption["by"])
    return amended or _create_or_amend(redemption, status)
