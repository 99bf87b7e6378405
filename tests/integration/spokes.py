"""What tests of the bus and its spokes share: events put on the bus, and looks into dead-letter queues."""

import json
from typing import Any

from local.shop import Shop, unique
from setpieces.events import DETAIL_TYPE, Event


def put(shop: Shop, *events: Event, source: str) -> None:
    """Put events on the bus as the service ``source`` would."""
    bus = shop.address("event-bus", "bus-name")
    entries = [
        {
            "EventBusName": bus,
            "Source": f"service-{source}-{shop.stage}",
            "DetailType": DETAIL_TYPE,
            "Detail": json.dumps(event.detail()),
        }
        for event in events
    ]
    for start in range(0, len(entries), 10):
        assert shop.aws("events").put_events(Entries=entries[start : start + 10])["FailedEntryCount"] == 0


def about(order_number: str, *kind: str, customer_id: str = "C100000001", **data: Any) -> Event:
    """An event about an order, e.g. ``about(number, "CHECKOUT", "ORDER", "COMPLETE")``."""
    return Event(
        kind,  # type: ignore[arg-type]
        {"order_number": order_number, "customer_id": customer_id, **data},
        correlation_id=unique("test"),
    )


def next_order_number(shop: Shop) -> str:
    return shop.call("POST", "/sequences/v1/sequences/order/next", sign=True).json()["formatted"]


def dead_letters(shop: Shop, queue: str, order_number: str) -> list[dict[str, Any]]:
    """The messages about an order in ``setpieces-<stage>-<queue>``, taken out; others stay.

    Each: {body, reason}; ``reason`` is empty when the message simply used up its receives.
    """
    sqs = shop.aws("sqs")
    url = sqs.get_queue_url(QueueName=f"setpieces-{shop.stage}-{queue}")["QueueUrl"]
    found = []
    for message in sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=1, MessageAttributeNames=["All"]
    ).get("Messages", []):
        if order_number in message["Body"]:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue", "")
            found.append({"body": json.loads(message["Body"]), "reason": reason})
    return found
