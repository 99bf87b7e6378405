"""PATCH /v1/baskets/{basket_id}/items/{sku} {quantity}: change the quantity of a line, at the present price."""

import time
from functools import partial

from basket import clients, repository
from basket.requests import parse_change_item
from basket.views import changed_line_view
from basket.workflow import change_once
from setpieces.entity_tags import entity_tag
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    command, now = parse_change_item(request), int(time.time())
    product = clients.find_product(command.sku, request.remaining_seconds())
    # Its currency must be that of the other lines, and the total has a limit: both depend on all that is stored.
    basket = repository.load(command.basket_id, now)
    basket = repository.save(basket, partial(change_once, command=command, product=product, now=now), now)
    return Response(200, changed_line_view(basket, command.sku), {"ETag": entity_tag(basket.version)})
