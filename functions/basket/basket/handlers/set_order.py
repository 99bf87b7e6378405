"""PUT /v1/internal/baskets/{basket_id}/orders/{order_number} {state}: hold a basket for an order, and open it again."""

import time
from functools import partial

from basket import repository
from basket.requests import parse_set_order
from basket.views import order_view
from basket.workflow import set_order
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    command, now = parse_set_order(request), int(time.time())
    basket = repository.load(command.basket_id, now)
    basket = repository.save(basket, partial(set_order, command=command, now=now), now)
    return Response(200, order_view(basket, command.order))
