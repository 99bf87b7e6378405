"""What the public sees of a product, and what it may ask for. Pure.

The platform's own record (stock, versions, limits) is never passed on.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from setpieces.errors import Refused

MAX_QUERY_LENGTH = 100
MAX_TOKEN_LENGTH = 512
_SKU = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")

_SUMMARY = {"sku": str, "name": str, "unit_price": int, "currency": str}
_DETAIL = {"description": str, "category": str}


def summary(product: dict[str, Any]) -> dict[str, Any]:
    """{sku, name, unit_price, currency, available}; the price in minor units. Raises ValueError for anything but a product."""
    return _members(product, _SUMMARY) | {"available": _available(product)}


def detail(product: dict[str, Any]) -> dict[str, Any]:
    """The summary with {description, category}. Raises ValueError for anything but a product."""
    return summary(product) | _members(product, _DETAIL)


def listing(page: dict[str, Any]) -> dict[str, Any]:
    """{items: [summary], next_page_token?} of a page of the platform. Raises ValueError for anything but a page."""
    if not isinstance(page, dict) or not isinstance(page.get("items"), list):
        raise ValueError("not a page of products")
    view: dict[str, Any] = {"items": [summary(product) for product in page["items"]]}
    if page.get("next_page_token"):
        view["next_page_token"] = str(page["next_page_token"])
    return view


def search(query: dict[str, str]) -> dict[str, str]:
    """``query`` and ``page_token`` as the platform is asked, in one spelling for the cache; other parameters are ignored.

    Raises ``Refused`` 400.
    """
    words, token = query.get("query", "").strip().casefold(), query.get("page_token", "")
    if len(words) > MAX_QUERY_LENGTH:
        raise Refused("INVALID_REQUEST", f"must have at most {MAX_QUERY_LENGTH} characters", "/query")
    if len(token) > MAX_TOKEN_LENGTH:
        raise Refused("INVALID_REQUEST", "is not a page token of this list", "/page_token")
    return {name: value for name, value in (("query", words), ("page_token", token)) if value}


def sku(path_parameter: str) -> str:
    """The SKU in the path. Raises ``Refused`` 404 for what no product can have as SKU."""
    decoded = unquote(path_parameter)
    if not _SKU.fullmatch(decoded):
        raise no_such_product()
    return decoded


def no_such_product() -> Refused:
    """404."""
    return Refused("PRODUCT_NOT_FOUND", "There is no such product")


def _available(product: dict[str, Any]) -> bool:
    """Can one be put into a basket now?"""
    stock = product.get("stock")
    in_stock = type(stock) is int and stock > 0
    return in_stock and product.get("available") is True and product.get("status") == "active"


def _members(product: Any, types: Mapping[str, type]) -> dict[str, Any]:
    if not isinstance(product, dict) or not all(type(product.get(name)) is types[name] for name in types):
        raise ValueError("not a product")
    return {name: product[name] for name in types}
