"""Payment authorized, declined, rejected: the order goes to the platform and is complete, has failed, or waits for a person.

Goods are shipped once an order is paid. So complete-order does not rely on Payment authorized alone: it reads the charge from
the payment provider.
"""

from orders.clients import is_held
from orders.domain.statuses import (
    CARD_DECLINED,
    FAILED,
    PAYMENT_AUTHORIZED,
    PAYMENT_DECLINED,
    PAYMENT_PROCESSING,
    STATUSES,
)
from orders.repository import advance, reject
from orders.workflow.processing import finish, order_of
from setpieces.backoff import backoff_seconds
from setpieces.errors import ExternalUnavailable, PermanentFailure, RetryLater
from setpieces.eventbridge_consumer import bus_handler
from setpieces.events import Event
from setpieces.observability import count, logger
from setpieces.sqs_consumer import Record

# The provider's record may appear a little later than the answer from which payments knows of the charge.
PATIENT_RECEIVES = 4


def process(event: Event, record: Record) -> None:
    """Raises ``PermanentFailure`` UNKNOWN_ORDER, CHARGE_NOT_HELD, AUTHORIZED_AFTER_FAILURE, ORDER_DIFFERS.

    Raises ``RetryLater`` while the provider or the platform is down.
    """
    if event.kind[2] == "REJECTED":
        if reject(event.data["order_number"], PAYMENT_PROCESSING, event.data["reason_code"]):
            count("OrderRejected")
        return
    try:
        _process(event, record)
    except ExternalUnavailable as error:
        raise RetryLater(backoff_seconds(record.receive_count), str(error)) from error


def _process(event: Event, record: Record) -> None:
    number, authorized = event.data["order_number"], event.kind[2] == "AUTHORIZED"
    if authorized:
        _verify(number, event.data["charge_id"], record)
        order = advance(number, PAYMENT_AUTHORIZED, charge_id=event.data["charge_id"])
    else:
        order = advance(number, CARD_DECLINED, reason_code=PAYMENT_DECLINED)
        if order:
            count("OrderFailed")
    if not order:
        logger.info("late or repeated result of a payment", extra={"order_number": number, "status": event.kind[2]})
        order = order_of(number)
    if authorized and STATUSES[order["backend_status"]].public == FAILED:
        raise PermanentFailure(
            "AUTHORIZED_AFTER_FAILURE", f"the order has failed, but charge {event.data['charge_id']} is held"
        )
    finish(order)


def _verify(number: str, charge_id: str, record: Record) -> None:
    order = order_of(number)
    if order["backend_status"] != PAYMENT_PROCESSING or is_held(order, charge_id):
        return
    if record.receive_count < PATIENT_RECEIVES:
        raise RetryLater(backoff_seconds(record.receive_count), "the provider does not know the charge yet")
    raise PermanentFailure("CHARGE_NOT_HELD", f"the provider holds no charge {charge_id} over the amount of {number}")


handler = bus_handler(process)
