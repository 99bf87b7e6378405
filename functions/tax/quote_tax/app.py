"""POST /v1/quotations: the tax of an order."""

from tax_quotations import quotation
from tax_rules import asked

from setpieces.rest import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    return Response(200, quotation(asked(request)))
