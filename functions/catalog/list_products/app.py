"""GET /v1/products: products by page, or those with ``query`` in name, SKU or category."""

from catalog_answers import answer
from catalog_cache import Cache
from catalog_platform import list_products, time_left
from catalog_views import search

from setpieces.rest import Request, Response, rest_handler

CACHE = Cache()


@rest_handler
def handler(request: Request) -> Response:
    asked = search(request.query)
    return answer(request, CACHE, tuple(asked.items()), lambda: list_products(asked, time_left(request)))
