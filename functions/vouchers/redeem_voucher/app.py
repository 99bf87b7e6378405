"""POST /v1/vouchers/{code}/redemptions: redeem a voucher, once."""

from urllib.parse import unquote

from voucher_batches import read
from voucher_codes import normalised
from voucher_requests import redemption
from voucher_table import find, redeem
from voucher_views import ACTIVE, REDEEMED, known, redemption_view, refused, same, state, utc_now

from setpieces.observability import count
from setpieces.rest import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    asked, now = redemption(request), utc_now()
    code = normalised(unquote(request.path_parameters["code"]))
    voucher = find(code) if code else None
    batch = known(voucher, read(voucher["batch_id"]) if voucher else None)
    status = state(batch, False, now)
    if status != ACTIVE:
        raise refused(status)
    facts = asked | {
        "batch_id": batch["batch_id"],
        "redeemed_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "purge_at": batch["purge_at"],
    }
    earlier = redeem(str(code), facts)
    if earlier and not same(asked, earlier):
        raise refused(REDEEMED)
    if not earlier:
        count("VoucherRedeemed")
    return Response(200 if earlier else 201, redemption_view(batch, earlier or facts))
