"""GET /v1/products: products by page, or those with ``query`` in name, SKU or category."""

from catalog.cache import Cache
from catalog.clients import list_products, time_left
from catalog.views.products import search
from catalog.views.responses import answer
from setpieces.rest_api import Request, Response, rest_handler

CACHE = Cache()


@rest_handler
def handler(request: Request) -> Response:
    asked = search(request.query)
    return answer(request, CACHE, tuple(asked.items()), lambda: list_products(asked, time_left(request)))
