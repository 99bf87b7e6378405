"""The commerce platform: updates of products, prices and stock."""

from typing import Any

from setpieces import external
from setpieces.errors import ExternalUnavailable, PermanentFailure

# Of the function's 20 s; the rest is for recording outcomes and deferring messages.
UPDATE_SECONDS = 10.0


def send_updates(feed_type: str, updates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send updates in one request; the platform's result for each: {status, effect?, code?, detail?, retry_after?}.

    Raises ``ExternalUnavailable``; ``PermanentFailure`` HTTP_<status> if the platform refuses the request as a whole.
    """
    answer = external.call(
        "commerce", "POST", "product-updates", feed_type, body={"updates": updates}, timeout=UPDATE_SECONDS
    )
    if answer.status != 200:
        raise PermanentFailure(f"HTTP_{answer.status}", "the platform refused the request")
    results = answer.body.get("results") if isinstance(answer.body, dict) else None
    if not isinstance(results, list) or len(results) != len(updates):
        raise ExternalUnavailable("commerce", "did not answer for each update")
    return results
