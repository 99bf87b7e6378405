"""POST /v1/quotations: the price of a basket, as an order of it confirms it."""

from orders.requests.quotations import parse_create_quotation
from orders.views import quotation_view
from orders.workflow.quotations import create_quotation
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    return Response(200, quotation_view(create_quotation(parse_create_quotation(request))))
