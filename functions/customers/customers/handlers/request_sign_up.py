"""POST /v1/customers {email, name}: request an account. The response is the same for every address."""

from customers.clients.platforms import unavailable_as_503
from customers.requests import parse_request_sign_up
from customers.workflow.sign_up import request_sign_up
from setpieces.observability import count
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    command = parse_request_sign_up(request)
    with unavailable_as_503():
        request_sign_up(command)
    count("SignUpRequested")
    return Response(202, {"status": "PENDING"})
