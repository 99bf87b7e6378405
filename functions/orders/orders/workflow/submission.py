"""Placing an order: number it, store it, have it processed. Safe to repeat under an Idempotency-Key, whatever broke before.

The stored order is its own outbox: once it is there, the sweeper has it processed even if it never reached the queue. So the
order is accepted as soon as it is stored.
"""

from typing import Any

from orders.clients import read_basket
from orders.domain.checks import Invalid, priced
from orders.domain.statuses import VALIDATING
from orders.messages import enqueue
from orders.repository import key_reused, numbered_before, place, read
from orders.requests import Idempotency
from setpieces import signed_client
from setpieces.errors import RETRY_SECONDS, ExternalUnavailable, RetryLater
from setpieces.http_refusal import HttpRefusal
from setpieces.observability import correlation_id, count, logger, metrics

NUMBER_SECONDS = 2.0
# Before a number is taken, for guests; a slow answer lets the order through.
CHECK_SECONDS = 1.0
# The counter ends here: schemas/api/sequences.yaml.
LAST_NUMBER = 999_999_999_999


def submit(sent: dict[str, Any], owner: str, idempotency: Idempotency | None) -> str:
    """The number of the order, a new one or that of the first request with this key.

    Raises ``Refused``: 409 IDEMPOTENCY_KEY_REUSED, 422 for a guest's basket that is empty or not there, 503 if no number can be
    had or others keep using the key.
    """
    earlier = numbered_before(idempotency) if idempotency else None
    if earlier:
        return _again(earlier, owner)
    if not owner:
        _check_basket(sent["basket_id"])
    number = _next_number()
    facts = sent | {"owner": owner, "correlation_id": correlation_id()}
    if not place(number, facts, idempotency):
        # Somebody sent the same key at the same time; the number is not used.
        earlier = numbered_before(idempotency) if idempotency else None
        if not earlier:
            raise RetryLater(1, "This order is being placed by another request", "ORDER_BUSY")
        return _again(earlier, owner)
    count("OrderAccepted")
    _process(number, correlation_id())
    return number


def _again(number: str, owner: str) -> str:
    """Have an order processed that may never have reached the queue. Raises ``Refused`` 409 if its sender could not see it."""
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


def _check_basket(basket_id: str) -> None:
    """Raise ``Refused`` 422 if there is nothing to order: anybody can send orders as a guest, and each takes a number.

    It saves numbers and nothing else, so while baskets do not answer an order is accepted, and validated later like any other.
    """
    try:
        priced(read_basket(basket_id, CHECK_SECONDS))
    except Invalid as error:
        fault = {"pointer": "/basket_id", "message": "has nothing to order"}
        raise HttpRefusal(422, error.reason, fault["message"], errors=[fault]) from error
    except ExternalUnavailable as error:
        logger.warning("basket not checked", extra={"reason": str(error)})


def _next_number() -> str:
    try:
        # A number that is lost with its answer leaves a gap.
        answer = signed_client.call(
            "sequences", "POST", "/v1/sequences/order/next", timeout=NUMBER_SECONDS, repeatable=True
        )
    except ExternalUnavailable as error:
        raise RetryLater(RETRY_SECONDS, "Orders cannot be numbered at the moment", "ORDERS_UNAVAILABLE") from error
    if answer.status != 200:
        logger.error("no order number", extra={"status": answer.status})
        raise RetryLater(RETRY_SECONDS, "Orders cannot be numbered at the moment", "ORDERS_UNAVAILABLE")
    used = 100 * answer.body["value"] / LAST_NUMBER
    metrics.add_metric(name="OrderNumbersUsed", unit="Percent", value=used)
    return str(answer.body["formatted"])
