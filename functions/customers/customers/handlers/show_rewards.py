"""GET /v1/customers/{customer_id}/rewards."""

from customers.clients.platforms import Platforms, no_profile, within_reach
from customers.domain.profile import member_shown
from customers.requests import parse_customer_id
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    customer_id = parse_customer_id(request)
    with within_reach():
        member = Platforms.of(request).member(customer_id)
    if member is None:
        raise no_profile()
    return Response(200, member_shown(member))
