"""Pages of the shop in the order of their paths, each with the day of its last change.

The commerce platform does not say when a product changed. So each release stores for each page a fingerprint of what it
shows, and the day on which that was new. Crawlers distrust a ``lastmod`` that is the day of the run; a day on which nothing
changed must leave every byte as it was.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

# What the page of a product shows: when one of these members changes, the page has changed.
PRODUCT_MEMBERS = ("name", "description", "unit_price", "currency", "available")


@dataclass(frozen=True)
class ListedPage:
    """``token`` is the page token of the list of products that the page is in, empty for the first."""

    path: str
    fingerprint: str
    token: str


@dataclass(frozen=True)
class Page:
    """``fingerprint`` identifies what a page shows; ``changed`` is the day on which that was new, a date (UTC)."""

    path: str
    fingerprint: str
    changed: str


def list_pages(
    fixed: Iterable[str], list_products: Callable[[str], dict[str, Any]], token: str = "", after: str = ""
) -> Iterator[ListedPage]:
    """All pages after the path ``after``: those of the paths ``fixed``, and one for each product.

    ``list_products(token)`` returns {items, next_page_token?}; ``token`` is where the list of products is read from.
    """
    if not token:
        yield from (ListedPage(path, fingerprint(path), "") for path in sorted(fixed) if path > after)
    while True:
        products = list_products(token)
        for product in products["items"]:
            path = f"/products/{product['sku']}"
            if path > after:
                yield ListedPage(path, fingerprint([product.get(name) for name in PRODUCT_MEMBERS]), token)
        token = products.get("next_page_token") or ""
        if not token:
            return


def fingerprint(content: Any) -> str:
    """The same for the same JSON value, whatever the order of its members."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def date_pages(pages: Iterable[tuple[str, str]], released: Iterable[Page], today: str) -> Iterator[Page]:
    """Pages of (path, fingerprint) with the day of the released page if it shows the same, otherwise ``today``.

    Both are in the order of their paths. Of two pages with the same path the first counts. Raises ``ValueError`` if one is
    out of order.
    """
    remaining = iter(released)
    before, last = next(remaining, None), ""
    for path, new_fingerprint in pages:
        if path == last:
            continue
        if path < last:
            raise ValueError(f"{path} comes after {last}")
        last = path
        while before and before.path < path:
            before = next(remaining, None)
        is_same = before and before.path == path and before.fingerprint == new_fingerprint
        yield Page(path, new_fingerprint, before.changed if before and is_same else today)
