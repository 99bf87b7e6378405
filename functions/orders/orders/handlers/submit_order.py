"""POST /v1/orders: accept an order; its status tells how it goes on."""

from orders.domain.statuses import STATUSES, VALIDATING
from orders.requests import idempotency, order, owner
from orders.workflow.submission import submit
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    sent = order(request)
    number = submit(sent, owner(request), idempotency(request, sent))
    location = f"{request.path.removesuffix('/')}/{number}/status"
    body = {"order_number": number, "status": STATUSES[VALIDATING].public}
    return Response(202, body, {"Location": location, "Retry-After": "1"})
