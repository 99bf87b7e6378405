"""The pages of the shop, in the order of their paths, as the commerce platform tells of its products."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from setpieces import external
from setpieces.errors import ExternalUnavailable
from sitemaps.domain.changes import fingerprint

CALL_SECONDS = 10.0
# The most that the platform lists at once.
PAGE = 100
# What a product's page shows: when one of these changes, the page has changed.
SHOWN = ("name", "description", "unit_price", "currency", "available")


@dataclass(frozen=True)
class Found:
    """A page; ``token`` is the page token of the list that it stands in, empty for the first."""

    path: str
    fingerprint: str
    token: str


def list_products(token: str) -> dict[str, Any]:
    """{items, next_page_token?}, by SKU. Raises ``ExternalUnavailable``."""
    query = {"limit": str(PAGE)} | ({"page_token": token} if token else {})
    answer = external.call("commerce", "GET", "products", query=query, timeout=CALL_SECONDS)
    if answer.status != 200 or not isinstance(answer.body, dict):
        raise ExternalUnavailable("commerce", f"answered {answer.status}")
    return answer.body


def pages(
    fixed: Iterable[str], token: str = "", after: str = "", read: Callable[[str], dict[str, Any]] = list_products
) -> Iterator[Found]:
    """All pages behind ``after``, read from the list's page ``token`` on; ``fixed`` are the paths of those without products."""
    if not token:
        yield from (Found(path, fingerprint(path), "") for path in sorted(fixed) if path > after)
    while True:
        listed = read(token)
        for product in listed["items"]:
            path = f"/products/{product['sku']}"
            if path > after:
                yield Found(path, fingerprint([product.get(name) for name in SHOWN]), token)
        token = listed.get("next_page_token") or ""
        if not token:
            return
