"""GET /v1/products/{sku}: one product with its description."""

from catalog.cache import Cache
from catalog.clients import show_product, time_left
from catalog.views.products import sku
from catalog.views.responses import answer
from setpieces.rest_api import Request, Response, rest_handler

CACHE = Cache()


@rest_handler
def handler(request: Request) -> Response:
    asked = sku(request.path_parameters["sku"])
    return answer(request, CACHE, asked, lambda: show_product(asked, time_left(request)))
