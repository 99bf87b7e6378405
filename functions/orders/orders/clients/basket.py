"""The basket service."""

from typing import Any

from orders.clients.responses import body_of
from setpieces import signed_client

TIMEOUT_SECONDS = 2.0


def read_basket(basket_id: str, timeout: float = TIMEOUT_SECONDS) -> dict[str, Any] | None:
    """The basket; None if there is none or if no basket can have this id. Raises ``ExternalUnavailable``."""
    answer = signed_client.call("basket", "GET", f"/v1/internal/baskets/{basket_id}", timeout=timeout)
    if answer.status in (400, 404):
        return None
    return body_of("basket", answer)
