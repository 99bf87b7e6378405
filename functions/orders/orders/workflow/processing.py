"""The way of an order, one step after the other, from wherever it stands.

Every step can be repeated, and what the next one needs is stored before it begins. So a message that comes twice, late, or
after a crash between any two calls finds the order where it is and goes on from there.
"""

from typing import Any

from orders.clients import quote_tax, read_basket, read_products, tell_platform
from orders.domain.checks import Invalid, check_products, priced, taxed
from orders.domain.statuses import (
    PAYMENT_AUTHORIZED,
    PAYMENT_PROCESSING,
    SENT_TO_FULFILLMENT,
    VALIDATING,
    VALIDATION_FAILED,
)
from orders.events import COMPLETE, SUBMIT, tell
from orders.repository import advance, read, reject
from setpieces.errors import PermanentFailure
from setpieces.observability import count, logger

Order = dict[str, Any]


def order_of(order_number: Any) -> Order:
    """The order of a message. Raises ``PermanentFailure`` UNKNOWN_ORDER: it is stored before messages about it are sent."""
    order = read(order_number) if isinstance(order_number, str) else None
    if order is None:
        raise PermanentFailure("UNKNOWN_ORDER", "there is no order of this number")
    return order


def go_on(order: Order) -> None:
    """Take an order as far as possible. Raises ``ExternalUnavailable``, ``PublishFailed``, ``PermanentFailure``."""
    if "rejected_reason" in order:
        # A person's redrive takes the reason away: see ``order_table.reopen``.
        logger.info("order waits for a person", extra={"order_number": order["order_number"]})
        return
    if order["backend_status"] == VALIDATING:
        order = _validate(order)
    if order["backend_status"] == PAYMENT_PROCESSING:
        # Published after the status is stored: payments reads the order, and a repeat publishes the same event.
        tell(SUBMIT, order, "order-submit")
    finish(order)


def _validate(order: Order) -> Order:
    """The order as stored afterwards: payable, or failed for a reason."""
    number = order["order_number"]
    try:
        price = priced(read_basket(order["basket_id"]))
        # The lines that cost most are checked first: there may not be time for all.
        lines = sorted(price["lines"], key=lambda line: line["quantity"] * line["unit_price"], reverse=True)
        check_products(price, read_products([line["sku"] for line in lines]))
        price = taxed(price, quote_tax(order, price))
    except Invalid as invalid:
        logger.info("order is invalid", extra={"order_number": number, "reason": invalid.reason})
        moved = advance(number, VALIDATION_FAILED, reason_code=invalid.reason)
        if moved:
            count("OrderFailed")
    else:
        moved = advance(number, PAYMENT_PROCESSING, **price)
    # Another delivery may have been faster, with another state of the basket: what is stored counts.
    return moved or order_of(number)


def finish(order: Order) -> None:
    """Complete a paid order. Raises ``ExternalUnavailable``, ``PublishFailed``, ``PermanentFailure`` ORDER_DIFFERS."""
    if order["backend_status"] != PAYMENT_AUTHORIZED:
        return
    try:
        tell_platform(order)
    except PermanentFailure as rejected:
        reject(order["order_number"], PAYMENT_AUTHORIZED, rejected.reason)
        count("OrderRejected")
        raise
    # Told before the status is terminal: after a crash in between it is told again, with the same id.
    tell(COMPLETE, order, "order")
    if advance(order["order_number"], SENT_TO_FULFILLMENT):
        count("OrderCompleted")
