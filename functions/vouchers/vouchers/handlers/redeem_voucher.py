"""POST /v1/vouchers/{code}/redemptions: redeem a voucher, once."""

from typing import Any

from setpieces.observability import count
from setpieces.rest_api import Request, Response, rest_handler
from vouchers.repository.batches import read
from vouchers.repository.vouchers import BatchCancelled, find, find_redemption, name_order, redeem
from vouchers.requests import parse_redeem_voucher
from vouchers.views import ACTIVE, REDEEMED, VOID, known, redemption_view, refused, same, state, utc_now


@rest_handler
def handler(request: Request) -> Response:
    command, now = parse_redeem_voucher(request), utc_now()
    code, redemption = command.code, command.redemption.stored()
    voucher = find(code) if code else None
    batch = known(voucher, read(voucher["batch_id"]) if voucher else None)
    status = state(batch, False, now)
    facts = redemption | {
        "batch_id": batch["batch_id"],
        "redeemed_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "purge_at": batch["purge_at"],
    }
    try:
        # A repetition is answered as before, also when the voucher has expired or its batch was cancelled since.
        earlier = _redemption(str(code), redemption, facts, status)
    except BatchCancelled:
        raise refused(VOID) from None
    if earlier and same(redemption, earlier):
        return Response(200, redemption_view(batch, earlier))
    if earlier or status != ACTIVE:
        raise refused(REDEEMED if status == ACTIVE else status)
    count("VoucherRedeemed")
    return Response(201, redemption_view(batch, facts))


def _redemption(code: str, redemption: dict[str, Any], facts: dict[str, Any], status: str) -> dict[str, Any] | None:
    """The redemption that there was before, None if there was none. Raises ``BatchCancelled``."""
    earlier = redeem(code, facts) if status == ACTIVE else find_redemption(code)
    if not earlier or not same(redemption, earlier) or "order_number" not in redemption or "order_number" in earlier:
        return earlier
    # Redeemed before it was ordered, as the checkout does: only now there is an order number. If it was released just now, it
    # is redeemed anew, because the order is placed.
    return name_order(code, redemption) or _redemption(code, redemption, facts, status)
