"""Vouchers and their redemptions: statuses, and which requests repeat an earlier one. Pure."""

from datetime import datetime
from typing import NotRequired, TypedDict

from setpieces.errors import Refused
from vouchers.domain.batches import CANCELLED, Batch
from vouchers.domain.times import to_rfc3339

# The statuses of a voucher; the fifth one is CANCELLED, as of its batch.
ACTIVE, NOT_YET_VALID, EXPIRED, REDEEMED = "ACTIVE", "NOT_YET_VALID", "EXPIRED", "REDEEMED"


class Voucher(TypedDict):
    """A stored voucher, which never changes; ``purge_at`` is in epoch seconds (TTL)."""

    code: str
    batch_id: str
    purge_at: int


class Redemption(TypedDict):
    """A stored redemption. ``redeemed_at`` is RFC 3339 in UTC, ``purge_at`` in epoch seconds (TTL).

    ``attempt`` is a random id of the write that stored it. ``by`` is the ``caller_key_digest`` of the request, absent if the
    request had no Idempotency-Key.
    """

    code: str
    batch_id: str
    redeemed_at: str
    attempt: NotRequired[str]
    order_number: NotRequired[str]
    customer_id: NotRequired[str]
    by: NotRequired[str]
    purge_at: int


def new_redemption(
    batch: Batch,
    now: datetime,
    *,
    code: str,
    order_number: str | None,
    customer_id: str | None,
    caller_key_digest: str | None,
) -> Redemption:
    """The redemption of a voucher of this batch, to be stored. Its optional members are absent where the argument is None."""
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
    if caller_key_digest:
        redemption["by"] = caller_key_digest
    return redemption


def is_repetition(redemption: Redemption, earlier: Redemption) -> bool:
    """True if the request for ``redemption`` repeats the one that was answered with ``earlier``.

    Both have the same customer, or none. If both have an order, it is the same one; if not, both are by the same caller under
    the same Idempotency-Key.
    """
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
        return CANCELLED
    if now < datetime.fromisoformat(batch["valid_from"]):
        return NOT_YET_VALID
    return EXPIRED if now > datetime.fromisoformat(batch["valid_to"]) else ACTIVE


def voucher_not_found() -> Refused:
    """VOUCHER_NOT_FOUND, for a code that is malformed or unknown, or whose batch is not issued."""
    return Refused("VOUCHER_NOT_FOUND", "The voucher does not exist; check its spelling")


def not_redeemable(status: str) -> Refused:
    """VOUCHER_REDEEMED, VOUCHER_EXPIRED, VOUCHER_NOT_YET_VALID or VOUCHER_CANCELLED, for a voucher with this status."""
    return Refused(f"VOUCHER_{status}", f"This voucher is {status.lower().replace('_', ' ')}")


def not_releasable(redemption: Redemption) -> Refused:
    """VOUCHER_REDEEMED, for a redemption that has another order than the one to release, or that has none."""
    purpose = f"for {redemption['order_number']}" if "order_number" in redemption else "without an order"
    return Refused("VOUCHER_REDEEMED", f"This voucher is redeemed {purpose}")
