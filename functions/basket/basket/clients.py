"""The commerce platform, as far as a basket needs it: one product as it is now, under a deadline."""

from typing import Any

from basket.domain import Product
from setpieces import external
from setpieces.errors import ExternalUnavailable, Refused, RetryLater

COMMERCE = "commerce"
# The longest wait for the platform, and the time to leave for storing the basket and responding.
CALL_SECONDS = 2.0
WRITE_SECONDS = 0.5
_MEMBERS = {"sku": str, "unit_price": int, "currency": str, "price_version": int, "stock": int, "max_per_customer": int}


def find_product(sku: str, remaining_seconds: float) -> Product:
    """The product; ``remaining_seconds`` is the time that the invocation has left.

    Raises ``Refused`` UNKNOWN_SKU, and ``RetryLater`` COMMERCE_UNAVAILABLE if the platform is slow, down or responds with
    something that is not a product.
    """
    try:
        timeout = min(CALL_SECONDS, remaining_seconds - WRITE_SECONDS)
        answer = external.call(COMMERCE, "GET", "products", sku, timeout=timeout)
        if answer.status in (404, 410):
            raise Refused("UNKNOWN_SKU", "There is no such product", "/sku")
        if answer.status != 200:
            raise ExternalUnavailable(COMMERCE, f"answered {answer.status}")
        return parse_product(answer.body)
    except ExternalUnavailable as error:
        detail = "The product cannot be checked; nothing was changed"
        raise RetryLater(error.retry_seconds, detail, "COMMERCE_UNAVAILABLE") from error


def parse_product(body: Any) -> Product:
    """The product in a response of the platform. Raises ``ExternalUnavailable`` if it is not one."""
    if not isinstance(body, dict) or not all(type(body.get(name)) is kind for name, kind in _MEMBERS.items()):
        raise ExternalUnavailable(COMMERCE, "answered something else than a product")
    purchasable = body.get("available") is True and body.get("status") == "active"
    return Product(purchasable=purchasable, **{name: body[name] for name in _MEMBERS})
