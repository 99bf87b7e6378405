"""GET /v1/products/{sku}: one product with its description."""

from catalog_answers import answer
from catalog_cache import Cache
from catalog_platform import show_product, time_left
from catalog_views import sku

from setpieces.rest import Request, Response, rest_handler

CACHE = Cache()


@rest_handler
def handler(request: Request) -> Response:
    asked = sku(request.path_parameters["sku"])
    return answer(request, CACHE, asked, lambda: show_product(asked, time_left(request)))
