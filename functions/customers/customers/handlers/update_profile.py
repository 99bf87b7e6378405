"""PATCH /v1/customers/{customer_id}/profile: a JSON merge patch, made from the version that ``If-Match`` names, if any."""

from customers.clients.platforms import Platforms, within_reach
from customers.domain.profile import shown
from customers.requests import parse_update_profile
from customers.workflow.update_profile import change
from setpieces.entity_tags import entity_tag
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    command = parse_update_profile(request)
    with within_reach():
        customer = change(command, Platforms.of(request))
    return Response(200, shown(customer), {"ETag": entity_tag(customer["version"])})
