"""CHECKOUT/ORDER/COMPLETE: moves the event to the FIFO queue, which keeps the events of one order in order.

A rule has one constant message group for all events (docs/decisions/0004-shipping-goes-through-two-queues.md).
"""

from setpieces.eventbridge_consumer import bus_handler
from setpieces.events import Event
from setpieces.sqs_consumer import Record
from shipping import events


def process(event: Event, record: Record) -> None:
    """Queue the shipment of one complete order."""
    events.queue_shipment(event, record.body)


handler = bus_handler(process)
