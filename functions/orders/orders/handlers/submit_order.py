"""POST /v1/orders: accept an order; its status says how it proceeds."""

from orders.domain.statuses import STATUSES, VALIDATING
from orders.requests.orders import parse_submit_order
from orders.workflow.submission import submit_order
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    number = submit_order(parse_submit_order(request))
    location = f"{request.path.removesuffix('/')}/{number}/status"
    body = {"order_number": number, "status": STATUSES[VALIDATING].public}
    return Response(202, body, {"Location": location, "Retry-After": "1"})
