"""GET /v1/products: products by page, or those with the words of ``query`` in name, SKU or category."""

from catalog import clients
from catalog.domain import ProductPage
from catalog.repository import Cache
from catalog.requests import parse_list_products
from catalog.views import cacheable_response, product_page_view
from setpieces.rest_api import Request, Response, rest_handler

CACHE: Cache[ProductPage] = Cache()


@rest_handler
def handler(request: Request) -> Response:
    command = parse_list_products(request)

    def load() -> ProductPage:
        return clients.list_products(command.query, command.page_token, request.remaining_seconds())

    cached = CACHE.read(command.cache_key, load)
    return cacheable_response(product_page_view(cached.value), cached.age, request.headers.get("if-none-match", ""))
