"""DELETE /v1/vouchers/{code}/redemptions: undo a redemption without an order, or for an order that has failed.

An admin checks the customer's orders first. A purchase in progress names its order afterwards, which redeems the voucher again,
unless it is redeemed for something else by then.
"""

from setpieces.observability import count
from setpieces.rest_api import Request, Response, rest_handler
from vouchers.domain.redemptions import redeemed_otherwise
from vouchers.repository import redemptions
from vouchers.requests import parse_release_voucher


@rest_handler
def handler(request: Request) -> Response:
    command = parse_release_voucher(request)
    other = redemptions.delete(command.code, command.order_number)
    if other:
        raise redeemed_otherwise(other)
    count("VoucherReleased")
    return Response(204)
