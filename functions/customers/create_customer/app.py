"""POST /v1/customers {email, password, name}: sign up."""

from customer_platforms import Platforms, within_reach
from customer_requests import new_customer
from customer_signup import sign_up

from setpieces.observability import count
from setpieces.rest import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    new = new_customer(request)
    with within_reach():
        customer_id = sign_up(new, Platforms.of(request))
    count("CustomerSignedUp")
    location = f"{request.path.removesuffix('/')}/{customer_id}/profile"
    return Response(201, {"customer_id": customer_id}, {"Location": location})
