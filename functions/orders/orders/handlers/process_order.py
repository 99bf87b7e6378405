"""The submit queue: validate an order, quote its tax, and request its payment."""

from typing import Any

from orders import repository
from orders.workflow.fulfillment import advance_order, load_order
from setpieces import observability
from setpieces.observability import count
from setpieces.sqs_consumer import Record, queue_handler


def process(body: dict[str, Any], record: Record) -> None:
    """{order_number, cancel?, redrive?}; the last two are only sent by operators: docs/runbooks/redrive-orders.md."""
    order = load_order(body.get("order_number"))
    observability.set_correlation_id(order["correlation_id"])
    if body.get("cancel") is True:
        if repository.cancel(order["order_number"]):
            count("OrderFailed")
        return
    if body.get("redrive") is True:
        # Load it again in any case: the SDK may have repeated a call that had reopened the order already.
        repository.reopen(order["order_number"])
        order = load_order(order["order_number"])
    advance_order(order)


handler = queue_handler(process)
