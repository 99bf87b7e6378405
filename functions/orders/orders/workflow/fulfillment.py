"""The steps of an order from its validation to its completion, from whatever status it has.

Every step can be repeated, and what the next step needs is stored before it begins. So a message that is delivered twice, late,
or after a crash between any two calls continues the order from its stored status.
"""

from typing import Any

from orders import repository
from orders.clients import commerce
from orders.clients.basket import read_basket
from orders.clients.tax import quote_tax
from orders.domain.pricing import InvalidOrder, add_tax, check_products, price_basket
from orders.domain.statuses import (
    PAYMENT_AUTHORIZED,
    PAYMENT_PROCESSING,
    SENT_TO_FULFILLMENT,
    VALIDATING,
    VALIDATION_FAILED,
)
from orders.events import COMPLETE, SUBMIT, publish_event
from orders.repository import StoredOrder
from setpieces.errors import PermanentFailure
from setpieces.observability import count, logger


def load_order(order_number: Any) -> StoredOrder:
    """The order of a message. Raises ``PermanentFailure`` UNKNOWN_ORDER: it is stored before messages about it are sent."""
    order = repository.load(order_number) if isinstance(order_number, str) else None
    if order is None:
        raise PermanentFailure("UNKNOWN_ORDER", "there is no order of this number")
    return order


def advance_order(order: StoredOrder) -> None:
    """Advance an order as far as possible. Raises ``ExternalUnavailable``, ``PublishFailed``, ``PermanentFailure``."""
    if "rejected_reason" in order:
        # An operator's redrive removes the reason: see ``repository.reopen``.
        logger.info("order waits for an operator", extra={"order_number": order["order_number"]})
        return
    if order["backend_status"] == VALIDATING:
        order = _validate(order)
    if order["backend_status"] == PAYMENT_PROCESSING:
        # Published after the status is stored: payments reads the order, and a repeat publishes the same event.
        publish_event(SUBMIT, dict(order))
    complete_order(order)


def complete_order(order: StoredOrder) -> None:
    """Complete a paid order. Raises ``ExternalUnavailable``, ``PublishFailed``, ``PermanentFailure`` ORDER_DIFFERS."""
    if order["backend_status"] != PAYMENT_AUTHORIZED:
        return
    try:
        commerce.put_order(dict(order))
    except PermanentFailure as failure:
        repository.reject(order["order_number"], PAYMENT_AUTHORIZED, failure.reason)
        count("OrderRejected")
        raise
    # Published before the status is terminal: after a crash in between it is published again, with the same id.
    publish_event(COMPLETE, dict(order))
    if repository.advance(order["order_number"], SENT_TO_FULFILLMENT):
        count("OrderCompleted")


def _validate(order: StoredOrder) -> StoredOrder:
    """The order as stored afterwards: in payment, or failed for a reason."""
    number = order["order_number"]
    try:
        price = _price(order)
    except InvalidOrder as invalid:
        logger.info("order is invalid", extra={"order_number": number, "reason": invalid.reason})
        advanced = repository.advance(number, VALIDATION_FAILED, reason_code=invalid.reason)
        if advanced:
            count("OrderFailed")
    else:
        advanced = repository.advance(number, PAYMENT_PROCESSING, **price)
    # Another delivery may have been first, with another state of the basket: what is stored counts.
    return advanced or load_order(number)


def _price(order: StoredOrder) -> dict[str, Any]:
    """{lines, subtotal, currency, tax, amount} of an order. Raises ``InvalidOrder``, ``ExternalUnavailable``."""
    price = price_basket(read_basket(order["basket_id"]))
    # The most expensive lines are checked first: there may not be time for all.
    lines = sorted(price["lines"], key=lambda line: line["quantity"] * line["unit_price"], reverse=True)
    check_products(price, commerce.read_products([line["sku"] for line in lines]))
    return add_tax(price, quote_tax(dict(order), price))
