"""DELETE /v1/vouchers/{code}/redemptions: give back a voucher that was redeemed for no order, or for one that has failed.

For people who look at the customer's orders first. A purchase that still goes on names its order afterwards, which redeems the
voucher anew, unless it is redeemed for something else by then: so the admin makes sure first that none goes on.
"""

from setpieces.observability import count
from setpieces.rest_api import Request, Response, rest_handler
from vouchers.repository.vouchers import release
from vouchers.requests import parse_release_voucher
from vouchers.views import no_such_voucher, redeemed_for


@rest_handler
def handler(request: Request) -> Response:
    command = parse_release_voucher(request)
    if command.code is None:
        raise no_such_voucher()
    stays = release(command.code, command.order_number)
    if stays:
        raise redeemed_for(stays.get("order_number"))
    count("VoucherReleased")
    return Response(204)
