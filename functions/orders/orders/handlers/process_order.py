"""The submit queue: validate an order, tax it, and ask for its payment."""

from typing import Any

from orders.repository import cancel, reopen
from orders.workflow.processing import go_on, order_of
from setpieces import observability
from setpieces.backoff import backoff_seconds
from setpieces.errors import ExternalUnavailable, RetryLater
from setpieces.observability import count
from setpieces.sqs_consumer import Record, queue_handler


def process(body: dict[str, Any], record: Record) -> None:
    order = order_of(body.get("order_number"))
    observability.begin(order["correlation_id"])
    # Only a person asks for these: docs/runbooks/redrive-orders.md.
    if body.get("cancel") is True:
        if cancel(order["order_number"]):
            count("OrderFailed")
        return
    if body.get("redrive") is True:
        # Read again in any case: after a lost answer the SDK repeats the call, and there is nothing to be reopened any more.
        reopen(order["order_number"])
        order = order_of(order["order_number"])
    try:
        go_on(order)
    except ExternalUnavailable as error:
        raise RetryLater(backoff_seconds(record.receive_count), str(error)) from error


handler = queue_handler(process)
