"""Products as the commerce platform tells them, under a deadline."""

from collections.abc import Callable
from typing import Any

from catalog.views.products import detail, listing, no_such_product
from setpieces import external
from setpieces.errors import ExternalUnavailable, Refused
from setpieces.rest_api import Request

# The longest that the platform is waited for, and what has to be left for answering.
CALL_SECONDS = 2.5
ANSWER_SECONDS = 0.5


def time_left(request: Request) -> float:
    """Seconds that the platform may take."""
    return min(CALL_SECONDS, request.remaining_seconds() - ANSWER_SECONDS)


def list_products(search: dict[str, str], timeout: float) -> dict[str, Any]:
    """One page of products. Raises ``ExternalUnavailable``, ``Refused`` 400 for a page token that the platform never gave."""
    answer = external.call("commerce", "GET", "products", query=search, timeout=timeout)
    if answer.status == 400 and "page_token" in search:
        raise Refused("INVALID_REQUEST", "is not a page token of this list", "/page_token")
    return _view(answer, listing)


def show_product(sku: str, timeout: float) -> dict[str, Any]:
    """One product. Raises ``ExternalUnavailable``, ``Refused`` 404."""
    answer = external.call("commerce", "GET", "products", sku, timeout=timeout)
    if answer.status in (404, 410):
        raise no_such_product()
    return _view(answer, detail)


def _view(answer: external.Answer, view: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    if answer.status != 200:
        raise ExternalUnavailable("commerce", f"answered {answer.status}")
    try:
        return view(answer.body)
    except ValueError as error:
        raise ExternalUnavailable("commerce", f"answered something else than products: {error}") from error
