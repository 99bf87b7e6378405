"""GET /v1/vouchers/{code}: what a voucher is worth and whether it can be redeemed."""

from setpieces.rest_api import Request, Response, rest_handler
from vouchers.repository.batches import read
from vouchers.repository.vouchers import find, find_redemption
from vouchers.requests import parse_code
from vouchers.views import known, utc_now, voucher_view


@rest_handler
def handler(request: Request) -> Response:
    code = parse_code(request)
    voucher = find(code) if code else None
    batch = known(voucher, read(voucher["batch_id"]) if voucher else None)
    redeemed = find_redemption(str(code)) is not None
    return Response(200, voucher_view(batch, redeemed, utc_now()), {"Cache-Control": "no-store"})
