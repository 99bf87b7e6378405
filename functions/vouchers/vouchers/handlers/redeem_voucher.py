"""POST /v1/vouchers/{code}/redemptions: redeem a voucher for a complete order, once."""

from setpieces.rest_api import Request, Response, rest_handler
from vouchers.requests import parse_redeem_voucher
from vouchers.views.vouchers import redemption_view
from vouchers.workflow.redemptions import redeem
from vouchers.workflow.vouchers import load_batch_of


@rest_handler
def handler(request: Request) -> Response:
    command = parse_redeem_voucher(request)
    batch = load_batch_of(command.code)
    redemption, is_new = redeem(command, batch)
    return Response(201 if is_new else 200, redemption_view(batch, redemption))
