"""POST /v1/customers/confirmations {token, password}: create the customer whose sign-up the mailed token confirms."""

from customers.clients.platforms import Platforms, unavailable_as_503
from customers.requests import parse_create_customer
from customers.workflow.sign_up import create_customer
from setpieces.observability import count
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    command = parse_create_customer(request)
    with unavailable_as_503():
        customer_id, email = create_customer(command, Platforms(request.remaining_seconds))
    count("CustomerSignedUp")
    location = f"{request.path.removesuffix('/').removesuffix('/confirmations')}/{customer_id}/profile"
    return Response(201, {"customer_id": customer_id, "email": email}, {"Location": location})
