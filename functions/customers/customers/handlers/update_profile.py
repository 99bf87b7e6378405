"""PATCH /v1/customers/{customer_id}/profile: apply a JSON merge patch, if ``If-Match`` is absent or names the version."""

from customers.clients.platforms import Platforms, unavailable_as_503
from customers.requests import parse_update_profile
from customers.views.profiles import profile_view
from customers.workflow.update_profile import update_profile
from setpieces.entity_tags import entity_tag
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    command = parse_update_profile(request)
    with unavailable_as_503():
        customer = update_profile(command, Platforms(request.remaining_seconds))
    return Response(200, profile_view(customer), {"ETag": entity_tag(customer["version"])})
