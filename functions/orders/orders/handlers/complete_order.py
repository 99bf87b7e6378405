"""Payment authorized, declined, rejected: complete the order, fail it, or have it wait for an operator."""

from orders.workflow.payment_results import authorize_payment, decline_payment, reject_payment
from setpieces.eventbridge_consumer import bus_handler
from setpieces.events import Event
from setpieces.sqs_consumer import Record


def process(event: Event, record: Record) -> None:
    """Raises as ``authorize_payment`` does."""
    number, status = event.data["order_number"], event.kind[2]
    if status == "AUTHORIZED":
        authorize_payment(number, event.data["charge_id"], record.receive_count)
    elif status == "DECLINED":
        decline_payment(number)
    else:
        reject_payment(number, event.data["reason_code"])


handler = bus_handler(process)
