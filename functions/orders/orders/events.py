"""What the service publishes: events on the bus, and messages on its own submit queue.

The ids of events are derived from the order, so that consumers recognise a repeated event.
"""

import json
from typing import Any

from setpieces.aws import client
from setpieces.events import Event, derived_id, publish
from setpieces.settings import setting

SUBMIT = ("CHECKOUT", "ORDER", "SUBMIT")
COMPLETE = ("CHECKOUT", "ORDER", "COMPLETE")
_SOURCES = {SUBMIT: "order-submit", COMPLETE: "order"}


def publish_event(kind: tuple[str, str, str], order: dict[str, Any]) -> None:
    """Publish Order submit or Order complete. Raises ``setpieces.events.PublishFailed``."""
    data = {name: order[name] for name in ("order_number", "customer_id")}
    event_id = derived_id(*kind, order["order_number"])
    event = Event(kind, data, event_id=event_id, correlation_id=order["correlation_id"])
    publish(event, source=_SOURCES[kind])


def enqueue_order(order_number: str, correlation_id: str, attempt: int = 0) -> None:
    """Put {order_number, attempt} on the submit queue, to have the order processed. Safe to repeat.

    As a dead letter, the message fails only this ``attempt`` of the order.
    """
    client("sqs").send_message(
        QueueUrl=setting("SUBMIT_QUEUE_URL"),
        MessageBody=json.dumps({"order_number": order_number, "attempt": attempt}),
        MessageAttributes={"correlation_id": {"DataType": "String", "StringValue": correlation_id}},
    )
