"""Payment authorized, declined, rejected: complete the order, fail it, or have it wait for an operator.

Goods are shipped once an order is paid. So this does not rely on Payment authorized alone: it reads the charge from the payment
provider.
"""

from orders import repository
from orders.clients.payments import holds_charge
from orders.domain.statuses import (
    CARD_DECLINED,
    FAILED,
    PAYMENT_AUTHORIZED,
    PAYMENT_DECLINED,
    PAYMENT_PROCESSING,
    STATUSES,
)
from orders.workflow.fulfillment import complete_order, load_order
from setpieces.backoff import backoff_seconds
from setpieces.errors import ExternalUnavailable, PermanentFailure, RetryLater
from setpieces.eventbridge_consumer import bus_handler
from setpieces.events import Event
from setpieces.observability import count, logger
from setpieces.sqs_consumer import Record

# The provider's record may appear a little later than its answer to payments.
RECORD_RECEIVES = 4


def process(event: Event, record: Record) -> None:
    """Raises ``PermanentFailure`` UNKNOWN_ORDER, CHARGE_NOT_HELD, AUTHORIZED_AFTER_FAILURE, ORDER_DIFFERS.

    Raises ``RetryLater`` while the provider or the commerce platform is unavailable.
    """
    number, status = event.data["order_number"], event.kind[2]
    if status == "REJECTED":
        if repository.reject(number, PAYMENT_PROCESSING, event.data["reason_code"]):
            count("OrderRejected")
        return
    try:
        if status == "AUTHORIZED":
            _authorize(number, event.data["charge_id"], record)
        else:
            _decline(number)
    except ExternalUnavailable as error:
        raise RetryLater(backoff_seconds(record.receive_count), str(error)) from error


def _authorize(number: str, charge_id: str, record: Record) -> None:
    _verify_charge(number, charge_id, record)
    order = repository.advance(number, PAYMENT_AUTHORIZED, charge_id=charge_id) or _late_result(number, "AUTHORIZED")
    if STATUSES[order["backend_status"]].public == FAILED:
        raise PermanentFailure("AUTHORIZED_AFTER_FAILURE", f"the order has failed, but charge {charge_id} is held")
    complete_order(order)


def _decline(number: str) -> None:
    if repository.advance(number, CARD_DECLINED, reason_code=PAYMENT_DECLINED):
        count("OrderFailed")
        return
    # A repeat may find a paid order whose completion was interrupted.
    complete_order(_late_result(number, "DECLINED"))


def _late_result(number: str, status: str) -> repository.StoredOrder:
    """The order of a payment's result that is late or repeated."""
    logger.info("late or repeated result of a payment", extra={"order_number": number, "status": status})
    return load_order(number)


def _verify_charge(number: str, charge_id: str, record: Record) -> None:
    order = load_order(number)
    if order["backend_status"] != PAYMENT_PROCESSING or holds_charge(dict(order), charge_id):
        return
    if record.receive_count < RECORD_RECEIVES:
        raise RetryLater(backoff_seconds(record.receive_count), "the provider does not know the charge yet")
    raise PermanentFailure("CHARGE_NOT_HELD", f"the provider holds no charge {charge_id} over the amount of {number}")


handler = bus_handler(process)
