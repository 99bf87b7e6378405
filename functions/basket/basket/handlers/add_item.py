"""POST /v1/baskets/{basket_id}/items {sku, quantity}: add a quantity of a product, all of it or nothing."""

import time
from functools import partial

from basket import clients, repository
from basket.domain import find_recorded_response
from basket.requests import parse_add_item
from basket.workflow import add_once
from setpieces.entity_tags import entity_tag
from setpieces.observability import count
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    command, now = parse_add_item(request), int(time.time())
    basket = repository.load(command.basket_id, now)
    # A repeated request gets its response even while the commerce platform is down.
    if not find_recorded_response(basket, command.idempotency):
        product = clients.find_product(command.sku, request.remaining_seconds())
        basket = repository.save(basket, partial(add_once, command=command, product=product, now=now), now)
        count("ItemAdded", command.quantity)
    (response,) = (each for each in basket.answers if each.key == command.idempotency.key)
    location = f"{request.path.removesuffix('/')}/{command.sku}"
    return Response(
        response.status, response.body, {"ETag": entity_tag(response.body["version"]), "Location": location}
    )
