"""The steps of an order from its validation to its end, from whatever status it has.

Every step can be repeated, and what the next step needs is stored before it begins. So a message that is delivered twice, late,
or after a crash between any two calls continues the order from its stored status.
"""

from typing import Any

from orders.clients import commerce
from orders.domain.locks import NotReserved, ReservationClosed
from orders.domain.statuses import (
    OUT_OF_STOCK,
    PAYMENT_AUTHORIZED,
    PAYMENT_PROCESSING,
    SENT_TO_FULFILLMENT,
    VALIDATING,
    VALIDATION_FAILED,
)
from orders.events import SUBMIT, publish_event
from orders.repository import orders
from orders.repository.orders import StoredOrder
from orders.workflow.reservations import close_order, release_stock, renew, reserve
from setpieces.errors import PermanentFailure, Refused, RetryLater
from setpieces.observability import count, logger

CLOSED_SECONDS = 1


def load_order(order_number: Any) -> StoredOrder:
    """The order of a message. Raises ``PermanentFailure`` UNKNOWN_ORDER: it is stored before messages about it are sent."""
    order = orders.load(order_number) if isinstance(order_number, str) else None
    if order is None:
        raise PermanentFailure("UNKNOWN_ORDER", "there is no order of this number")
    return order


def advance_order(order: StoredOrder) -> None:
    """Advance an order as far as possible. Raises ``ExternalUnavailable``, ``PublishFailed``, ``PermanentFailure``."""
    order = _validate(order) if order["backend_status"] == VALIDATING else _renew_reservations(order)
    if "rejected_reason" in order:
        # An operator's redrive removes the reason: see ``repository.orders.reopen``.
        logger.info("order waits for an operator", extra={"order_number": order["order_number"]})
        return
    if order["backend_status"] == PAYMENT_PROCESSING:
        # Published after the status is stored: payments reads the order, and a repeat publishes the same event.
        publish_event(SUBMIT, dict(order))
    complete_order(order)


def complete_order(order: StoredOrder) -> None:
    """Complete a paid order, and close one that has ended, also since it was loaded.

    Raises ``ExternalUnavailable``, ``PublishFailed``, ``PermanentFailure`` ORDER_DIFFERS, OUT_OF_STOCK.
    """
    if order["backend_status"] != PAYMENT_AUTHORIZED:
        close_order(order)
        return
    try:
        commerce.put_order(dict(order))
    except ReservationClosed as closed:
        current = load_order(order["order_number"])
        if current["backend_status"] == PAYMENT_AUTHORIZED:
            _reject(current, OUT_OF_STOCK)
            raise PermanentFailure(OUT_OF_STOCK, "the stock of a paid order was released") from closed
        logger.info("the order has ended meanwhile", extra={"order_number": order["order_number"]})
        close_order(current)
        return
    except PermanentFailure as failure:
        _reject(order, failure.reason)
        raise
    completed = orders.advance(order["order_number"], SENT_TO_FULFILLMENT)
    if completed:
        count("OrderCompleted")
    close_order(completed or load_order(order["order_number"]))


def cancel_order(order: StoredOrder) -> None:
    """Cancel an order for an operator. One that the platform has meanwhile is completed instead.

    Another delivery may be about to put a paid order on the platform. So its stock is released first: then the platform
    refuses the order, or it has the order already. Raises as ``complete_order`` does.
    """
    is_paid = order["backend_status"] == PAYMENT_AUTHORIZED
    reason = order.get("rejected_reason")
    if is_paid and reason and reason != commerce.ORDER_DIFFERS and not release_stock(order):
        complete_order(order)
        return
    if orders.cancel(order["order_number"]):
        count("OrderFailed")
    close_order(load_order(order["order_number"]))


def redrive_order(order: StoredOrder, attempt: int | None) -> StoredOrder:
    """Reopen an order for an operator; the order as stored afterwards. ``attempt`` is as in ``repository.orders.reopen``.

    Raises ``ExternalUnavailable``, ``PermanentFailure`` BASKET_ORDERED: the message is a dead letter and can be redriven later.
    """
    close_order(order)
    try:
        orders.reopen(order, attempt)
    except Refused as refused:
        raise PermanentFailure(refused.code, "another order of the basket is in progress") from refused
    # Load it again in any case: the SDK may have repeated a call that had reopened the order already.
    return load_order(order["order_number"])


def _validate(order: StoredOrder) -> StoredOrder:
    """The order as stored afterwards: in payment, or failed for a reason."""
    number, attempt = order["order_number"], order.get("attempt", 0)
    order = _with_snapshot(order)
    try:
        if "invalid_reason" in order:
            raise NotReserved(order["invalid_reason"])
        reserve(order)
    except NotReserved as failure:
        logger.info("order is invalid", extra={"order_number": number, "reason": failure.reason})
        advanced = orders.advance(number, VALIDATION_FAILED, attempt=attempt, reason_code=failure.reason)
        if advanced:
            count("OrderFailed")
    except ReservationClosed as error:
        # Another delivery has failed the order meanwhile.
        current = load_order(number)
        if current["backend_status"] == VALIDATING:
            raise RetryLater(CLOSED_SECONDS, "an earlier attempt of the order is settled") from error
        return current
    else:
        advanced = orders.advance(number, PAYMENT_PROCESSING, attempt=attempt)
    # Another delivery may have been first: what is stored counts.
    return advanced or load_order(number)


def _with_snapshot(order: StoredOrder) -> StoredOrder:
    """The order with its snapshot, which one that an older version has stored has not."""
    if "lines" in order or "invalid_reason" in order:
        return order
    # Imported here: only these orders need it.
    from orders.workflow.submission import snapshot_of_basket

    snapshot = snapshot_of_basket(order["basket_id"], order["ship_to"])
    return orders.add_snapshot(order, snapshot) or load_order(order["order_number"])


def _renew_reservations(order: StoredOrder) -> StoredOrder:
    """The order as stored afterwards: it may have ended meanwhile, or wait for an operator.

    Raises ``PermanentFailure`` if an order that may be paid, but is not known to be, holds no longer what it needs: an operator
    has to decide.
    """
    if order["backend_status"] not in (PAYMENT_PROCESSING, PAYMENT_AUTHORIZED) or "delivery" not in order:
        return order
    try:
        renew(order)
    except ReservationClosed:
        logger.info("the order has ended meanwhile", extra={"order_number": order["order_number"]})
    except NotReserved as failure:
        _reject(order, failure.reason)
        raise PermanentFailure(failure.reason, "a reservation of an order in payment has ended") from failure
    return load_order(order["order_number"])


def _reject(order: StoredOrder, reason: str) -> None:
    if orders.reject(order["order_number"], order["backend_status"], reason):
        count("OrderRejected")
