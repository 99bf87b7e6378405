"""GET /v1/baskets/{basket_id}, and /v1/internal/baskets/{basket_id} for services: the whole basket."""

import time

from basket.domain import shown
from basket.repository import read
from basket.requests import basket_id, no_such_basket
from setpieces.entity_tags import entity_tag
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    basket = read(basket_id(request), int(time.time()))
    if not basket.exists:
        raise no_such_basket()
    return Response(200, shown(basket), {"ETag": entity_tag(basket.version)})
