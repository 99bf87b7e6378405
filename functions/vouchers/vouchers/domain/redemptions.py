"""Vouchers and their redemptions: statuses, and which requests repeat an earlier one. Pure."""

from datetime import datetime
from typing import NotRequired, TypedDict

from setpieces.errors import Refused
from vouchers.domain.batches import CANCELLED, Batch
from vouchers.domain.times import to_rfc3339

ACTIVE, NOT_YET_VALID, EXPIRED, REDEEMED, VOID = "ACTIVE", "NOT_YET_VALID", "EXPIRED", "REDEEMED", "CANCELLED"


class Voucher(TypedDict):
    """A stored voucher, which never changes; ``purge_at`` is in epoch seconds (TTL)."""

    code: str
    batch_id: str
    purge_at: int


class Redemption(TypedDict):
    """A stored redemption. ``by`` is the digest of the caller and the Idempotency-Key, ``attempt`` identifies the write."""

    code: str
    batch_id: str
    redeemed_at: str
    attempt: NotRequired[str]
    order_number: NotRequired[str]
    customer_id: NotRequired[str]
    by: NotRequired[str]
    purge_at: int


def new_redemption(
    batch: Batch, now: datetime, *, code: str, order_number: str | None, customer_id: str | None, by: str | None
) -> Redemption:
    """The redemption of a voucher of this batch."""
    redemption: Redemption = {
        "code": code,
        "batch_id": batch["batch_id"],
        "redeemed_at": to_rfc3339(now),
        "purge_at": batch["purge_at"],
    }
    if order_number:
        redemption["order_number"] = order_number
    if customer_id:
        redemption["customer_id"] = customer_id
    if by:
        redemption["by"] = by
    return redemption


def is_repetition(redemption: Redemption, earlier: Redemption) -> bool:
    """True if both are for the same order, or by the same caller under the same key and not for two orders."""
    if redemption.get("customer_id") != earlier.get("customer_id"):
        return False
    if "order_number" in redemption and "order_number" in earlier:
        return redemption["order_number"] == earlier["order_number"]
    return "by" in redemption and redemption["by"] == earlier.get("by")


def voucher_status(batch: Batch, now: datetime, *, is_redeemed: bool) -> str:
    """ACTIVE if a voucher of the batch can be redeemed, otherwise the reason why not."""
    if is_redeemed:
        return REDEEMED
    if batch["status"] == CANCELLED:
        return VOID
    if now < datetime.fromisoformat(batch["valid_from"]):
        return NOT_YET_VALID
    return EXPIRED if now > datetime.fromisoformat(batch["valid_to"]) else ACTIVE


def voucher_not_found() -> Refused:
    """The code is malformed or unknown, or its batch is not issued."""
    return Refused("VOUCHER_NOT_FOUND", "The voucher does not exist; check its spelling")


def not_redeemable(status: str) -> Refused:
    """The voucher has this status, which is not ACTIVE."""
    return Refused(f"VOUCHER_{status}", f"This voucher is {status.lower().replace('_', ' ')}")


def redeemed_otherwise(redemption: Redemption) -> Refused:
    """The redemption is not the one that an admin wants to release."""
    purpose = f"for {redemption['order_number']}" if "order_number" in redemption else "without an order"
    return Refused("VOUCHER_REDEEMED", f"This voucher is redeemed {purpose}")
