"""PATCH /v1/baskets/{basket_id}/items/{sku} {quantity}: another quantity, at the present price."""

import time

from basket.clients import find
from basket.domain import changed, line_for
from basket.repository import set_line
from basket.requests import basket_id, body, if_match, sku_in_path
from setpieces.entity_tags import entity_tag
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    basket, sku = basket_id(request), sku_in_path(request)
    sent, precondition = body(request, "quantity"), if_match(request)
    line = line_for(find(sku, request), sent["quantity"])
    stored = set_line(basket, sku, line, precondition, int(time.time()))
    return Response(200, changed(stored, sku), {"ETag": entity_tag(stored.version)})
