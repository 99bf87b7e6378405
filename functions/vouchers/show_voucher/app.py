"""GET /v1/vouchers/{code}: what a voucher is worth and whether it can be redeemed."""

from urllib.parse import unquote

from voucher_batches import read
from voucher_codes import normalised
from voucher_table import find, find_redemption
from voucher_views import known, utc_now, voucher_view

from setpieces.rest import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    code = normalised(unquote(request.path_parameters["code"]))
    voucher = find(code) if code else None
    batch = known(voucher, read(voucher["batch_id"]) if voucher else None)
    redeemed = find_redemption(str(code)) is not None
    return Response(200, voucher_view(batch, redeemed, utc_now()), {"Cache-Control": "no-store"})
