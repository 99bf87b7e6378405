"""Messages of the shipments queue."""

from setpieces.aws import client
from setpieces.events import Event
from setpieces.settings import setting


def queue_shipment(event: Event, body: str) -> None:
    """Put a complete order's event on the FIFO queue of shipments, in the message group of its order.

    ``body`` is the event as it arrived: ``ship_order`` reads it like any event of the bus. The deduplication id is the event's
    and not the order's. A second event about an order has to pass: the commerce platform may know the order by then, while
    the first event is about to become a dead letter.
    """
    client("sqs").send_message(
        QueueUrl=setting("SHIPMENTS_QUEUE_URL"),
        MessageBody=body,
        MessageGroupId=event.data["order_number"],
        MessageDeduplicationId=event.event_id,
    )
