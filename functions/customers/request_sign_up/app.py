"""POST /v1/customers {email, name}: ask for an account. The same answer for every address."""

from customer_platforms import within_reach
from customer_requests import sign_up_request
from customer_signup import request_sign_up

from setpieces.observability import count
from setpieces.rest import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    asked, key = sign_up_request(request), request.idempotency_key()
    with within_reach():
        request_sign_up(asked, key)
    count("SignUpRequested")
    return Response(202, {"status": "PENDING"})
