"""GET /v1/vouchers/{code}: the value of a voucher, and whether it can be redeemed."""

from datetime import UTC, datetime

from setpieces.rest_api import Request, Response, rest_handler
from vouchers.domain.redemptions import voucher_status
from vouchers.repository import redemptions
from vouchers.requests import parse_code
from vouchers.views.vouchers import voucher_view
from vouchers.workflow.vouchers import load_batch_of


@rest_handler
def handler(request: Request) -> Response:
    code = parse_code(request)
    batch = load_batch_of(code)
    status = voucher_status(batch, datetime.now(UTC), redemptions.find(code))
    return Response(200, voucher_view(batch, status), {"Cache-Control": "no-store"})
