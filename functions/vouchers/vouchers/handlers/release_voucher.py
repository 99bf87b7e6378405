"""DELETE /v1/vouchers/{code}/redemptions: undo a redemption without an order, or for an order that has failed.

An admin checks the customer's orders first. If a purchase is in progress, the checkout sends the number of its order after the
release, which redeems the voucher again, unless another request has redeemed it by then.
"""

from setpieces.observability import count
from setpieces.rest_api import Request, Response, rest_handler
from vouchers.domain.redemptions import not_releasable
from vouchers.repository import redemptions
from vouchers.requests import parse_release_voucher


@rest_handler
def handler(request: Request) -> Response:
    command = parse_release_voucher(request)
    remaining = redemptions.delete(command.code, command.order_number)
    if remaining:
        raise not_releasable(remaining)
    count("VoucherReleased")
    return Response(204)
