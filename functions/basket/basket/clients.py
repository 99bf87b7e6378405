"""Products as the commerce platform knows them at this moment, under a deadline."""

from typing import Any

from basket.domain import Product
from setpieces import external
from setpieces.errors import ExternalUnavailable, Refused, RetryLater
from setpieces.rest_api import Request

# The longest that the platform is waited for, and what has to be left for writing and answering.
CALL_SECONDS = 2.0
WRITE_SECONDS = 0.5
_MEMBERS = {"sku": str, "unit_price": int, "currency": str, "price_version": int, "stock": int, "max_per_customer": int}


def find(sku: str, request: Request) -> Product:
    """The product. Raises ``Refused``: 404 UNKNOWN_SKU, 503 if the platform is slow, down or talks nonsense."""
    try:
        answer = external.call(
            "commerce",
            "GET",
            "products",
            sku,
            timeout=min(CALL_SECONDS, request.remaining_seconds() - WRITE_SECONDS),
        )
        if answer.status in (404, 410):
            raise Refused("UNKNOWN_SKU", "There is no such product", "/sku")
        if answer.status != 200:
            raise ExternalUnavailable("commerce", f"answered {answer.status}")
        return product(answer.body)
    except ExternalUnavailable as error:
        raise _unavailable(error) from error


def product(body: Any) -> Product:
    """The product in an answer of the platform. Raises ``ExternalUnavailable`` for anything else."""
    if not isinstance(body, dict) or not all(type(body.get(name)) is kind for name, kind in _MEMBERS.items()):
        raise ExternalUnavailable("commerce", "answered something else than a product")
    purchasable = body.get("available") is True and body.get("status") == "active"
    return Product(purchasable=purchasable, **{name: body[name] for name in _MEMBERS})


def _unavailable(error: ExternalUnavailable) -> RetryLater:
    detail = "The product cannot be checked; nothing was changed"
    return RetryLater(error.retry_seconds, detail, "COMMERCE_UNAVAILABLE")
