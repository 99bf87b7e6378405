"""GET /v1/baskets/{basket_id}, and /v1/internal/baskets/{basket_id} for services: the whole basket."""

import time

from basket import repository
from basket.domain import basket_not_found
from basket.requests import parse_basket_id
from basket.views import basket_view
from setpieces.entity_tags import entity_tag
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    basket = repository.load(parse_basket_id(request), int(time.time()))
    if not basket.exists:
        raise basket_not_found()
    return Response(200, basket_view(basket), {"ETag": entity_tag(basket.version)})
