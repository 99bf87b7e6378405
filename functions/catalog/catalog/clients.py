"""Client of the commerce platform, which owns the products."""

from collections.abc import Mapping
from typing import Any

from catalog.domain import (
    Product,
    ProductDetails,
    ProductPage,
    invalid_page_token,
    is_available,
    product_not_found,
)
from setpieces import external
from setpieces.errors import ExternalUnavailable

# The longest wait for the platform, and the time that is kept for responding to our own caller.
CALL_SECONDS = 2.5
RESPONSE_SECONDS = 0.5

_PRODUCT = {"sku": str, "name": str, "unit_price": int, "currency": str}
_DETAILS = {"description": str, "category": str}


def list_products(query: str, page_token: str, seconds_left: float) -> ProductPage:
    """List one page of products; an empty ``query`` or ``page_token`` is not sent.

    ``seconds_left`` is the caller's time. Raises ``ExternalUnavailable``, and ``Refused`` INVALID_REQUEST for a page token that
    the platform refuses.
    """
    parameters = {name: value for name, value in (("query", query), ("page_token", page_token)) if value}
    response = external.call("commerce", "GET", "products", query=parameters, timeout=_timeout(seconds_left))
    if response.status == 400 and page_token:
        raise invalid_page_token()
    _check_status(response)
    return parse_page(response.body)


def load_product(sku: str, seconds_left: float) -> ProductDetails:
    """Load one product. Raises ``ExternalUnavailable``, and ``Refused`` PRODUCT_NOT_FOUND."""
    response = external.call("commerce", "GET", "products", sku, timeout=_timeout(seconds_left))
    if response.status in (404, 410):
        raise product_not_found()
    _check_status(response)
    return parse_details(response.body)


def parse_page(page: Any) -> ProductPage:
    """Raises ``ExternalUnavailable`` if ``page`` or one of its products is malformed."""
    if not isinstance(page, dict) or not isinstance(page.get("items"), list):
        raise ExternalUnavailable("commerce", "the response is not a page of products")
    products = tuple(_parse_product(item) for item in page["items"])
    return ProductPage(products, str(page.get("next_page_token") or ""))


def parse_details(product: Any) -> ProductDetails:
    """Raises ``ExternalUnavailable`` if ``product`` is malformed."""
    description, category = _members(product, _DETAILS)
    return ProductDetails(_parse_product(product), description, category)


def _timeout(seconds_left: float) -> float:
    return min(CALL_SECONDS, seconds_left - RESPONSE_SECONDS)


def _check_status(response: external.Answer) -> None:
    if response.status != 200:
        raise ExternalUnavailable("commerce", f"answered {response.status}")


def _parse_product(product: Any) -> Product:
    sku, name, unit_price, currency = _members(product, _PRODUCT)
    stock, available, status = (product.get(member) for member in ("stock", "available", "status"))
    return Product(sku, name, unit_price, currency, is_available(stock=stock, available=available, status=status))


def _members(product: Any, types: Mapping[str, type]) -> list[Any]:
    """The values of the members named in ``types``. Raises ``ExternalUnavailable`` if one is missing or has another type."""
    if not isinstance(product, dict) or not all(type(product.get(name)) is types[name] for name in types):
        raise ExternalUnavailable("commerce", "the response is not a product")
    return [product[name] for name in types]
