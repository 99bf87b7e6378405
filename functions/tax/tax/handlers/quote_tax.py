"""POST /v1/quotations: the tax of an order."""

from setpieces.rest_api import Request, Response, rest_handler
from tax.domain.rules import asked
from tax.workflow import quotation


@rest_handler
def handler(request: Request) -> Response:
    return Response(200, quotation(asked(request)))
