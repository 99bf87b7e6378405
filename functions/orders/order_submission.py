"""Placing an order: number it, store it, have it processed. Safe to repeat under an Idempotency-Key, whatever broke before.

The stored order is its own outbox: once it is there, the sweeper has it processed even if it never reached the queue. So the
order is accepted as soon as it is stored.
"""

from typing import Any

from order_queue import enqueue
from order_requests import Idempotency
from order_statuses import VALIDATING
from order_table import key_reused, numbered_before, place, read

from setpieces import internal
from setpieces.observability import correlation_id, count, logger, metrics
from setpieces.outside import OutsideUnavailable
from setpieces.problems import unavailable

NUMBER_SECONDS = 2.0


def submit(sent: dict[str, Any], owner: str, idempotency: Idempotency | None) -> str:
    """The number of the order, a new one or that of the first request with this key.

    Raises ``Problem``: 409 IDEMPOTENCY_KEY_REUSED, 503 if no number can be had or others keep using the key.
    """
    earlier = numbered_before(idempotency) if idempotency else None
    if earlier:
        return _again(earlier, owner)
    number = _next_number()
    facts = sent | {"owner": owner, "correlation_id": correlation_id()}
    if not place(number, facts, idempotency):
        # Somebody sent the same key at the same time; the number is not used.
        earlier = numbered_before(idempotency) if idempotency else None
        if not earlier:
            raise unavailable("ORDER_BUSY", "This order is being placed by another request", retry_after=1)
        return _again(earlier, owner)
    count("OrderAccepted")
    _process(number, correlation_id())
    return number


def _again(number: str, owner: str) -> str:
    """Have an order processed that may never have reached the queue. Raises ``Problem`` 409 if its sender could not see it."""
    order = read(number)
    if order and order["owner"] != owner:
        raise key_reused()
    if order and order["backend_status"] == VALIDATING:
        _process(number, order["correlation_id"])
    return number


def _process(number: str, correlation_id: str) -> None:
    try:
        enqueue(number, correlation_id)
    except Exception:
        logger.exception("left to the sweeper", extra={"order_number": number})
        metrics.add_metric(name="NotEnqueued", unit="Count", value=1)


def _next_number() -> str:
    try:
        # A number that is lost with its answer leaves a gap.
        answer = internal.call("sequences", "POST", "/v1/sequences/order/next", timeout=NUMBER_SECONDS, repeatable=True)
    except OutsideUnavailable as error:
        raise unavailable("ORDERS_UNAVAILABLE", "Orders cannot be numbered at the moment") from error
    if answer.status != 200:
        logger.error("no order number", extra={"status": answer.status})
        raise unavailable("ORDERS_UNAVAILABLE", "Orders cannot be numbered at the moment")
    return str(answer.body["formatted"])
