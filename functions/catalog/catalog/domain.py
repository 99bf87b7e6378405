"""The public part of the commerce platform's products. Its own members (stock, versions, limits) are never shown."""

from dataclasses import dataclass
from typing import Any

from setpieces.errors import Refused

# How long a response of the commerce platform is used without asking the platform again, here and in caches on the way.
FRESH_SECONDS = 30


@dataclass(frozen=True)
class Product:
    """``unit_price`` is in minor units; ``available`` says whether the product can be put into a basket now."""

    sku: str
    name: str
    unit_price: int
    currency: str
    available: bool


@dataclass(frozen=True)
class ProductDetails:
    """A product with what only its own page shows."""

    product: Product
    description: str
    category: str


@dataclass(frozen=True)
class ProductPage:
    """One page of a list of products; ``next_page_token`` is empty on the last one."""

    products: tuple[Product, ...]
    next_page_token: str = ""


def is_available(*, stock: Any, available: Any, status: Any) -> bool:
    """True if a product with these members of the commerce platform can be bought now; members of another type mean no."""
    return type(stock) is int and stock > 0 and available is True and status == "active"


def product_not_found() -> Refused:
    """PRODUCT_NOT_FOUND, for a SKU that the platform does not know or that cannot be one."""
    return Refused("PRODUCT_NOT_FOUND", "There is no such product")


def invalid_page_token() -> Refused:
    """INVALID_REQUEST, for a page token that the platform did not issue."""
    return Refused("INVALID_REQUEST", "is not a page token of this list", "/page_token")
