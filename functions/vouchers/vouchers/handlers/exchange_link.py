"""GET /v1/voucher-downloads/{token}: redirect a one-time link to the file, by a signed link of a minute."""

from setpieces.rest_api import Request, Response, rest_handler
from vouchers.requests import parse_token
from vouchers.workflow.links import exchange_token


@rest_handler
def handler(request: Request) -> Response:
    link = exchange_token(parse_token(request))
    return Response(303, None, {"Location": link["url"], "Cache-Control": "no-store"})
