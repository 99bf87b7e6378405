"""Builds the catalog's responses, which caches may store and revalidate."""

import hashlib
import json
import re
from typing import Any

from catalog.domain import FRESH_SECONDS, Product, ProductDetails, ProductPage
from setpieces.rest_api import Response

CACHE_CONTROL = f"public, max-age={FRESH_SECONDS}"


def product_view(product: Product) -> dict[str, Any]:
    """{sku, name, unit_price, currency, available}; the price in minor units."""
    return {
        "sku": product.sku,
        "name": product.name,
        "unit_price": product.unit_price,
        "currency": product.currency,
        "available": product.available,
    }


def product_details_view(details: ProductDetails) -> dict[str, Any]:
    """A product with {description, category}."""
    return product_view(details.product) | {"description": details.description, "category": details.category}


def product_page_view(page: ProductPage) -> dict[str, Any]:
    """{items: [product], next_page_token?}."""
    view: dict[str, Any] = {"items": [product_view(product) for product in page.products]}
    if page.next_page_token:
        view["next_page_token"] = page.next_page_token
    return view


def cacheable_response(body: dict[str, Any], age: int, if_none_match: str) -> Response:
    """200 with ``body``, or 304 if ``if_none_match`` names its entity tag.

    ``age`` is how long this service has cached the body, in seconds: other caches subtract it from the time that they keep it.
    """
    tag = _entity_tag(body)
    headers = {"ETag": tag, "Cache-Control": CACHE_CONTROL, "Age": str(age)}
    if matches_entity_tag(if_none_match, tag):
        return Response(304, headers=headers)
    return Response(200, body, headers)


def matches_entity_tag(if_none_match: str, tag: str) -> bool:
    """Whether ``If-None-Match`` names ``tag``, by weak comparison (RFC 9110, 13.1.2)."""
    return if_none_match.strip() == "*" or tag in re.findall(r'"[^"]*"', if_none_match)


def _entity_tag(body: dict[str, Any]) -> str:
    """A strong entity tag: the same body has the same one in every process."""
    return f'"{hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:32]}"'
