"""Submitting an order: number it, store it, put it on the submit queue. Safe to repeat under an Idempotency-Key.

The stored order is its own outbox: once it is stored, the sweep processes it even if it never reached the queue. So the order
is accepted as soon as it is stored.
"""

from orders import repository
from orders.clients.basket import read_basket
from orders.clients.sequences import next_order_number
from orders.domain.idempotency import idempotency_key_reused
from orders.domain.pricing import InvalidOrder, price_basket
from orders.domain.statuses import VALIDATING
from orders.events import enqueue_order
from orders.requests import SubmitOrder
from setpieces.errors import ExternalUnavailable, RetryLater
from setpieces.http_refusal import HttpRefusal
from setpieces.observability import correlation_id, count, logger

# Before a number is taken, for guests; if the answer is slow the order is accepted unchecked.
CHECK_SECONDS = 1.0


def submit_order(command: SubmitOrder) -> str:
    """The number of the order: a new one, or that of the first request with this key.

    Raises ``Refused`` IDEMPOTENCY_KEY_REUSED; BASKET_NOT_FOUND or EMPTY_BASKET (422) for a guest's basket; and ``RetryLater``
    ORDERS_UNAVAILABLE, ORDER_BUSY.
    """
    idempotency = command.idempotency
    earlier = repository.find_by_idempotency_key(idempotency) if idempotency else None
    if earlier:
        return _resume(earlier, command.owner)
    if not command.owner:
        _check_basket(command.basket_id)
    number = next_order_number()
    order = {
        "basket_id": command.basket_id,
        "customer_id": command.customer_id,
        "payment_token": command.payment_token,
        "ship_to": command.ship_to,
        "owner": command.owner,
        "correlation_id": correlation_id(),
    }
    if not repository.create(number, order, idempotency):
        # A concurrent request with the same key was first; the new number stays unused.
        earlier = repository.find_by_idempotency_key(idempotency) if idempotency else None
        if not earlier:
            raise RetryLater(1, "This order is being placed by another request", "ORDER_BUSY")
        return _resume(earlier, command.owner)
    count("OrderAccepted")
    _enqueue(number, correlation_id())
    return number


def _resume(number: str, owner: str) -> str:
    """Enqueue an order that may never have reached the queue. Raises ``Refused`` if its owner is another customer."""
    order = repository.load(number)
    if order and order["owner"] != owner:
        raise idempotency_key_reused()
    if order and order["backend_status"] == VALIDATING:
        _enqueue(number, order["correlation_id"])
    return number


def _enqueue(number: str, correlation_id: str) -> None:
    try:
        enqueue_order(number, correlation_id)
    except Exception:
        logger.exception("order not enqueued; the sweep will process it", extra={"order_number": number})
        count("NotEnqueued")


def _check_basket(basket_id: str) -> None:
    """Refuse a basket with nothing to order: guests need no account, and each order takes a number.

    The check only saves numbers. While the basket service does not answer, the order is accepted and validated later.
    """
    try:
        price_basket(read_basket(basket_id, CHECK_SECONDS))
    except InvalidOrder as error:
        fault = {"pointer": "/basket_id", "message": "has nothing to order"}
        raise HttpRefusal(422, error.reason, fault["message"], errors=[fault]) from error
    except ExternalUnavailable as error:
        logger.warning("basket not checked", extra={"reason": str(error)})
