"""The basket service."""

from typing import Any

from orders.clients.responses import body_of
from orders.domain.locks import BasketNotFound
from setpieces import signed_client
from setpieces.errors import ExternalUnavailable

READ_SECONDS = 2.0
PUT_SECONDS = 2.0


def read_basket(basket_id: str) -> dict[str, Any] | None:
    """The basket; None if there is none or if no basket can have this id. Raises ``ExternalUnavailable``."""
    answer = signed_client.call("basket", "GET", f"/v1/internal/baskets/{basket_id}", timeout=READ_SECONDS)
    if answer.status in (400, 404):
        return None
    return body_of("basket", answer)


def begin_order(order: dict[str, Any]) -> None:
    """Mark the basket as ordered: it cannot be changed until the order ends. Safe to repeat.

    Raises ``BasketNotFound``, also if another order has sold what this one was placed with; ``ExternalUnavailable``, also while
    another order holds the basket.
    """
    body: dict[str, Any] = {"state": "in_progress"}
    # Orders of an older version of this service do not have it.
    version = {"basket_version": order["basket_version"]} if "basket_version" in order else {}
    status = _put_state(order, body | version)
    if status == 400 and version:
        # An older version of the basket service does not know this member.
        status = _put_state(order, body)
    if status in (400, 404):
        raise BasketNotFound


def fail_order(order: dict[str, Any]) -> None:
    """Give the basket back as it was. Safe to repeat. Raises ``ExternalUnavailable``."""
    _put_state(order, {"state": "failed"})


def complete_order(order: dict[str, Any]) -> None:
    """Take what was ordered out of the basket. Safe to repeat. Raises ``ExternalUnavailable``."""
    lines = [{"sku": line["sku"], "quantity": line["quantity"]} for line in order["lines"]]
    _put_state(order, {"state": "complete", "lines": lines})


def _put_state(order: dict[str, Any], body: dict[str, Any]) -> int:
    """The status of the response: 200, or 400 or 404 if there is no such basket."""
    basket_id, number = order["basket_id"], order["order_number"]
    answer = signed_client.call(
        "basket",
        "PUT",
        f"/v1/internal/baskets/{basket_id}/orders/{number}",
        body=body | {"attempt": order["attempt"]},
        timeout=PUT_SECONDS,
    )
    if answer.status not in (200, 400, 404):
        raise ExternalUnavailable("basket", f"answered {answer.status}")
    return answer.status
