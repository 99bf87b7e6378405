"""Order complete, from the FIFO queue: the order goes to SAP, once per order number however often it is asked for."""

from setpieces.backoff import backoff_seconds
from setpieces.errors import ExternalUnavailable, RetryLater
from setpieces.eventbridge_consumer import bus_handler
from setpieces.events import Event
from setpieces.observability import logger, metrics
from setpieces.sqs_consumer import Record
from shipping.clients import read_order, send_shipment
from shipping.domain import outcome, shipment


def process(event: Event, record: Record) -> None:
    """Raises ``PermanentFailure`` for what SAP will never take, ``RetryLater`` for what may come right."""
    number = event.data["order_number"]
    try:
        sent = shipment(read_order(number, record.receive_count))
        result = outcome(send_shipment(number, sent))
    except ExternalUnavailable as error:
        raise RetryLater(backoff_seconds(record.receive_count), str(error)) from error
    logger.info("order %s", result, extra={"order_number": number})
    metrics.add_metric(name="OrderSentToFulfilment", unit="Count", value=1)


handler = bus_handler(process)
