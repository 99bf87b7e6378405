"""POST /v1/quotations: the tax of an order."""

from setpieces.rest_api import Request, Response, rest_handler
from tax.requests import parse_quote_tax
from tax.workflow import quote_tax


@rest_handler
def handler(request: Request) -> Response:
    return Response(200, quote_tax(parse_quote_tax(request)))
