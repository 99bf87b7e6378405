"""DELETE /v1/baskets/{basket_id}/items/{sku}: the product leaves the basket, however many there were."""

import time

from basket.repository import remove_line
from basket.requests import basket_id, if_match, sku_in_path
from setpieces.entity_tags import entity_tag
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    stored = remove_line(basket_id(request), sku_in_path(request), if_match(request), int(time.time()))
    return Response(204, headers={"ETag": entity_tag(stored.version)})
