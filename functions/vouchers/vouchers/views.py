"""What callers see of batches and vouchers. Pure."""

from datetime import UTC, datetime
from typing import Any

from setpieces.errors import Refused
from vouchers.repository.batches import CANCELLED, COMPLETE, FAILED, generated, redeemable

ENDED = (COMPLETE, FAILED, CANCELLED)
ACTIVE, NOT_YET_VALID, EXPIRED, REDEEMED, VOID = "ACTIVE", "NOT_YET_VALID", "EXPIRED", "REDEEMED", "CANCELLED"
_BATCH = ("batch_id", "status", "count", "campaign", "value", "currency", "valid_from", "valid_to", "one_time")
_LATER = ("created_at", "updated_at", "notified_at", "reason", "sha256", "bytes")
_WORTH = ("value", "currency", "valid_from", "valid_to")


def batch_view(batch: dict[str, Any] | None) -> dict[str, Any]:
    """What admins see of a batch. Raises ``Refused`` 404."""
    if batch is None:
        raise Refused("BATCH_NOT_FOUND", "There is no such batch")
    return {name: batch[name] for name in (*_BATCH, *_LATER) if name in batch} | {"generated": generated(batch)}


def known(voucher: dict[str, Any] | None, batch: dict[str, Any] | None) -> dict[str, Any]:
    """The batch of a voucher that exists for its callers. Raises ``Refused`` 404."""
    if voucher is None or batch is None or not (redeemable(batch) or batch["status"] == CANCELLED):
        raise no_such_voucher()
    return batch


def no_such_voucher() -> Refused:
    """404."""
    return Refused("VOUCHER_NOT_FOUND", "There is no such voucher; check its spelling")


def redeemed_for(order_number: str | None) -> Refused:
    """409, for admins: the redemption is not the one that they mean."""
    return Refused("VOUCHER_REDEEMED", f"This voucher is redeemed for {order_number or 'no order'}")


def state(batch: dict[str, Any], redeemed: bool, now: datetime) -> str:
    """Whether a voucher can be redeemed, or why not."""
    if redeemed:
        return REDEEMED
    if batch["status"] == CANCELLED:
        return VOID
    if now < datetime.fromisoformat(batch["valid_from"]):
        return NOT_YET_VALID
    return EXPIRED if now > datetime.fromisoformat(batch["valid_to"]) else ACTIVE


def voucher_view(batch: dict[str, Any], redeemed: bool, now: datetime) -> dict[str, Any]:
    """{status, value, currency, valid_from, valid_to}."""
    return {"status": state(batch, redeemed, now)} | {name: batch[name] for name in _WORTH}


def refused(status: str) -> Refused:
    """Why a voucher cannot be redeemed."""
    return Refused(f"VOUCHER_{status}", f"This voucher is {status.lower().replace('_', ' ')}")


def redemption_view(batch: dict[str, Any], redemption: dict[str, Any]) -> dict[str, Any]:
    """{status, value, currency, redeemed_at, order_number?}."""
    shown = {name: redemption[name] for name in ("redeemed_at", "order_number") if name in redemption}
    return {"status": REDEEMED, "value": batch["value"], "currency": batch["currency"]} | shown


def same(redemption: dict[str, Any], earlier: dict[str, Any]) -> bool:
    """Whether a redemption is an earlier one again: for the same order, or by the same caller under the same key.

    A key is no way to redeem for a second order.
    """
    if redemption.get("customer_id") != earlier.get("customer_id"):
        return False
    orders = [one["order_number"] for one in (redemption, earlier) if "order_number" in one]
    if len(orders) == 2:
        return orders[0] == orders[1]
    return "by" in redemption and redemption["by"] == earlier.get("by")


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)
