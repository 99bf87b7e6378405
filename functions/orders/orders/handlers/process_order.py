"""The submit queue: hold what an order needs, and request its payment; settle an order that has ended."""

from typing import Any

from orders.repository import orders
from orders.workflow.fulfillment import advance_order, cancel_order, load_order
from orders.workflow.reservations import close_order
from setpieces import observability
from setpieces.sqs_consumer import Record, queue_handler


def process(body: dict[str, Any], record: Record) -> None:
    """{order_number, cancel?, redrive?}; the last two are only sent by operators: docs/runbooks/redrive-orders.md."""
    order = load_order(body.get("order_number"))
    observability.set_correlation_id(order["correlation_id"])
    if body.get("cancel") is True:
        cancel_order(order)
        return
    if body.get("redrive") is True:
        close_order(order)
        # Load it again in any case: the SDK may have repeated a call that had reopened the order already.
        orders.reopen(order)
        order = load_order(order["order_number"])
    advance_order(order)


handler = queue_handler(process)
