"""Parses requests of the catalog's API."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from catalog.domain import invalid_page_token, product_not_found
from setpieces.errors import Refused
from setpieces.fields import SKU
from setpieces.rest_api import Request
from setpieces.search import MAX_QUERY_LENGTH, search_words

MAX_TOKEN_LENGTH = 512


@dataclass(frozen=True)
class ListProducts:
    """``query`` has words of a product's name, SKU or category as typed; both are empty if the request has none."""

    query: str
    page_token: str

    @property
    def cache_key(self) -> tuple[tuple[str, ...], str]:
        """The same for all spellings of a query."""
        return search_words(self.query), self.page_token


@dataclass(frozen=True)
class ShowProduct:
    """``sku`` is decoded and has the form of a SKU."""

    sku: str


def parse_list_products(request: Request) -> ListProducts:
    """Parse a request for a page of products; unknown query parameters are ignored. Raises ``Refused`` INVALID_REQUEST."""
    query = " ".join(request.query.get("query", "").split())
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
