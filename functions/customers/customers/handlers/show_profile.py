"""GET /v1/customers/{customer_id}/profile: the profile, with its version as ``ETag``."""

from customers.clients.platforms import Platforms, unavailable_as_503
from customers.domain.records import profile_not_found
from customers.requests import parse_customer_id
from customers.views.profiles import profile_view
from setpieces.entity_tags import entity_tag
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    customer_id = parse_customer_id(request)
    with unavailable_as_503():
        customer = Platforms(request.remaining_seconds).find_customer(customer_id)
    if customer is None:
        raise profile_not_found()
    return Response(200, profile_view(customer), {"ETag": entity_tag(customer["version"])})
