"""PATCH /v1/baskets/{basket_id}/items/{sku} {quantity}: change the quantity of a line, at the present price."""

import time

from basket import clients, repository
from basket.domain import price_line
from basket.requests import parse_change_item
from basket.views import changed_line_view
from setpieces.entity_tags import entity_tag
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    command = parse_change_item(request)
    line = price_line(clients.find_product(command.sku, request.remaining_seconds()), command.quantity)
    basket = repository.set_line(command.basket_id, command.sku, line, command.precondition, int(time.time()))
    return Response(200, changed_line_view(basket, command.sku), {"ETag": entity_tag(basket.version)})
