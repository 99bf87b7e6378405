"""PUT /v1/internal/vouchers/{code}/orders/{order_number}: reserve, redeem or release a voucher for an order."""

from setpieces.rest_api import Request, Response, rest_handler
from vouchers.requests import RedeemReservation, ReserveVoucher, parse_order_voucher
from vouchers.views.vouchers import order_redemption_view, release_view, reservation_view
from vouchers.workflow.reservations import redeem_reservation, release, reserve


@rest_handler
def handler(request: Request) -> Response:
    command = parse_order_voucher(request)
    match command:
        case ReserveVoucher():
            reservation, is_new = reserve(command)
            return Response(201 if is_new else 200, reservation_view(reservation))
        case RedeemReservation():
            return Response(200, order_redemption_view(redeem_reservation(command)))
    release(command)
    return Response(200, release_view(command.order_number, command.attempt))
