"""The commerce platform: the list of its products."""

from typing import Any

from setpieces import external
from setpieces.errors import ExternalUnavailable

CALL_SECONDS = 10.0
# The most that the platform lists in one response.
PAGE_SIZE = 100


def list_products(token: str) -> dict[str, Any]:
    """A page of the products by SKU, {items, next_page_token?}; the first for an empty token.

    Raises ``ExternalUnavailable``.
    """
    query = {"limit": str(PAGE_SIZE)} | ({"page_token": token} if token else {})
    answer = external.call("commerce", "GET", "products", query=query, timeout=CALL_SECONDS)
    if answer.status != 200 or not isinstance(answer.body, dict):
        raise ExternalUnavailable("commerce", f"answered {answer.status}")
    return answer.body
