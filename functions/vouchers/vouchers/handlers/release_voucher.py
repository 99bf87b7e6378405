"""DELETE /v1/vouchers/{code}/redemptions: undo a redemption without an order, or for an order that has failed.

An admin checks the customer's orders first. Reservations end with their orders, so they are not released here.
"""

from datetime import UTC, datetime

from setpieces.observability import count
from setpieces.rest_api import Request, Response, rest_handler
from vouchers.domain.redemptions import holding_status, not_releasable
from vouchers.repository import redemptions
from vouchers.requests import parse_release_voucher


@rest_handler
def handler(request: Request) -> Response:
    command = parse_release_voucher(request)
    remaining = redemptions.delete(command.code, command.order_number)
    if remaining and holding_status(remaining, datetime.now(UTC)):
        raise not_releasable(remaining)
    count("VoucherReleased")
    return Response(204)
