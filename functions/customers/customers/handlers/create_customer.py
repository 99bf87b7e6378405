"""POST /v1/customers/confirmations {token, password}: the owner of the mailbox becomes a customer."""

from customers.clients.platforms import Platforms, within_reach
from customers.requests import parse_create_customer
from customers.workflow.sign_up import confirm
from setpieces.observability import count
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    command = parse_create_customer(request)
    with within_reach():
        customer_id, email = confirm(command, Platforms.of(request))
    count("CustomerSignedUp")
    location = f"{request.path.removesuffix('/').removesuffix('/confirmations')}/{customer_id}/profile"
    return Response(201, {"customer_id": customer_id, "email": email}, {"Location": location})
