"""CHECKOUT/ORDER/COMPLETE, from the FIFO queue: sends the order to SAP, which ships it once per order number."""

from setpieces.eventbridge_consumer import bus_handler
from setpieces.events import Event
from setpieces.observability import logger, metrics
from setpieces.sqs_consumer import Record
from shipping import clients, domain


def process(event: Event, record: Record) -> None:
    """Send one order to SAP.

    Raises ``PermanentFailure`` UNKNOWN_ORDER, INVALID_ORDER, DIFFERENT_SHIPMENT or SHIPMENT_REFUSED, ``RetryLater`` while the
    commerce platform does not know the order yet, and ``ExternalUnavailable``.
    """
    order_number = event.data["order_number"]
    order = clients.get_order(order_number)
    if order is None:
        raise domain.unknown_order(order_number, record.receive_count)
    status = clients.put_shipment(order_number, domain.build_shipment(order))
    logger.info(domain.describe_response(status), extra={"order_number": order_number})
    metrics.add_metric(name="OrderSentToFulfilment", unit="Count", value=1)


handler = bus_handler(process)
