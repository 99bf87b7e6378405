"""DELETE /v1/baskets/{basket_id}/items/{sku}: remove a line, whatever its quantity."""

import time

from basket import repository
from basket.requests import parse_remove_item
from setpieces.entity_tags import entity_tag
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    command = parse_remove_item(request)
    now = int(time.time())
    basket = repository.remove_line(command.basket_id, command.sku, command.precondition, command.write_id, now)
    return Response(204, headers={"ETag": entity_tag(basket.version)})
