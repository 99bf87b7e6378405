"""Parses requests of the catalog's API."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from catalog.domain import invalid_page_token, product_not_found
from setpieces.errors import Refused
from setpieces.fields import SKU
from setpieces.rest_api import Request

MAX_QUERY_LENGTH = 100
MAX_TOKEN_LENGTH = 512


@dataclass(frozen=True)
class ListProducts:
    """``query`` is part of a product's name, SKU or category, in lower case; both are empty if the request has none."""

    query: str
    page_token: str


@dataclass(frozen=True)
class ShowProduct:
    """``sku`` is decoded and has the form of a SKU."""

    sku: str


def parse_list_products(request: Request) -> ListProducts:
    """Parse a request for a page of products; unknown query parameters are ignored. Raises ``Refused`` INVALID_REQUEST."""
    query = request.query.get("query", "").strip().casefold()
    page_token = request.query.get("page_token", "")
    if len(query) > MAX_QUERY_LENGTH:
        raise Refused("INVALID_REQUEST", f"must have at most {MAX_QUERY_LENGTH} characters", "/query")
    if len(page_token) > MAX_TOKEN_LENGTH:
        raise invalid_page_token()
    return ListProducts(query, page_token)


def parse_show_product(request: Request) -> ShowProduct:
    """Parse a request for one product. Raises ``Refused`` PRODUCT_NOT_FOUND for a path parameter that is not a SKU."""
    sku = unquote(request.path_parameters["sku"])
    if not re.fullmatch(SKU["pattern"], sku):
        raise product_not_found()
    return ShowProduct(sku)
