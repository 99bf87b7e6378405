"""Order complete, from the spoke's queue into the FIFO queue that keeps the events of one order in order.

A rule cannot do this: its target knows one constant message group (docs/decisions/0004-shipping-goes-through-two-queues.md).
"""

from setpieces.aws import client
from setpieces.eventbridge_consumer import bus_handler
from setpieces.events import Event
from setpieces.settings import setting
from setpieces.sqs_consumer import Record


def process(event: Event, record: Record) -> None:
    """Pass the event on as it came: what follows reads it like any consumer of the bus.

    The deduplication id is the event's own, and not the order's: a second event about the same order is news, for example
    that the platform has the order by now, while the first one is on its way to the dead letters.
    """
    client("sqs").send_message(
        QueueUrl=setting("SHIPMENTS_QUEUE_URL"),
        MessageBody=record.body,
        MessageGroupId=event.data["order_number"],
        MessageDeduplicationId=event.event_id,
    )


handler = bus_handler(process)
