"""The submit queue: hold what an order needs, and request its payment; settle an order that has ended."""

from typing import Any

from orders.workflow.fulfillment import advance_order, cancel_order, load_order, redrive_order
from setpieces import observability
from setpieces.sqs_consumer import Record, queue_handler


def process(body: dict[str, Any], record: Record) -> None:
    """{order_number, attempt?, cancel?, redrive?}; operators send the last two: docs/runbooks/redrive-orders.md.

    ``attempt`` is the one that the message is about: a redrive restarts only this one, without it the present one.
    """
    order = load_order(body.get("order_number"))
    observability.set_correlation_id(order["correlation_id"])
    if body.get("cancel") is True:
        cancel_order(order)
        return
    if body.get("redrive") is True:
        order = redrive_order(order, body.get("attempt"))
    advance_order(order)


handler = queue_handler(process)
