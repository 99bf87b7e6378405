"""GET /v1/customers/{customer_id}/profile."""

from customers.clients.platforms import Platforms, no_profile, within_reach
from customers.domain.profile import shown
from customers.requests import parse_customer_id
from setpieces.entity_tags import entity_tag
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    customer_id = parse_customer_id(request)
    with within_reach():
        customer = Platforms.of(request).customer(customer_id)
    if customer is None:
        raise no_profile()
    return Response(200, shown(customer), {"ETag": entity_tag(customer["version"])})
