"""POST /v1/baskets/{basket_id}/items {sku, quantity}: add a product, or more of it, all of it or nothing."""

import time

from basket.clients import find
from basket.domain import Answer, Basket, add_once, answered
from basket.repository import read, write
from basket.requests import basket_id, body, idempotency, if_match
from setpieces.entity_tags import entity_tag
from setpieces.observability import count
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    sent, precondition, now = body(request, "sku", "quantity"), if_match(request), int(time.time())
    once = idempotency(request, sent)
    stored = read(basket_id(request), now)
    # A repeated request gets its answer even while the platform is down.
    answer = answered(stored, once)
    if not answer:
        product = find(sent["sku"], request)

        def change(basket: Basket) -> tuple[Basket, Answer]:
            return add_once(basket, product, sent["quantity"], precondition, once, now)

        answer = write(stored, change, now)
        count("ItemAdded", sent["quantity"])
    location = f"{request.path.removesuffix('/')}/{sent['sku']}"
    return Response(answer.status, answer.body, {"ETag": entity_tag(answer.body["version"]), "Location": location})
