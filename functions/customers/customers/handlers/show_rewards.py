"""GET /v1/customers/{customer_id}/rewards: points and tier."""

from customers.clients.platforms import Platforms, unavailable_as_503
from customers.domain.records import profile_not_found
from customers.requests import parse_customer_id
from customers.views.profiles import rewards_view
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    customer_id = parse_customer_id(request)
    with unavailable_as_503():
        member = Platforms(request.remaining_seconds).find_member(customer_id)
    if member is None:
        raise profile_not_found()
    return Response(200, rewards_view(member))
