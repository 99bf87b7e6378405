"""GET /v1/products/{sku}: one product with its description."""

from catalog import clients
from catalog.domain import ProductDetails
from catalog.repository import Cache
from catalog.requests import parse_show_product
from catalog.views import cacheable_response, product_details_view
from setpieces.rest_api import Request, Response, rest_handler

CACHE: Cache[ProductDetails] = Cache()


@rest_handler
def handler(request: Request) -> Response:
    sku = parse_show_product(request).sku
    cached = CACHE.read(sku, lambda: clients.load_product(sku, request.remaining_seconds()))
    return cacheable_response(product_details_view(cached.value), cached.age, request.headers.get("if-none-match", ""))
