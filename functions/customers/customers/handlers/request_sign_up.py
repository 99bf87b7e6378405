"""POST /v1/customers {email, name}: ask for an account. The same answer for every address."""

from customers.clients.platforms import within_reach
from customers.requests import parse_request_sign_up
from customers.workflow.sign_up import request_sign_up
from setpieces.observability import count
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    command = parse_request_sign_up(request)
    with within_reach():
        request_sign_up(command)
    count("SignUpRequested")
    return Response(202, {"status": "PENDING"})
