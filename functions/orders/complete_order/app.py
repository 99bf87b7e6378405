"""Payment authorized, declined, rejected: the order goes to the platform and is complete, has failed, or waits for a person."""

from order_statuses import CARD_DECLINED, FAILED, PAYMENT_AUTHORIZED, PAYMENT_DECLINED, PAYMENT_PROCESSING, STATUSES
from order_steps import finish, order_of
from order_table import advance, reject

from setpieces.bus_consumer import bus_handler
from setpieces.events import Event
from setpieces.observability import count, logger
from setpieces.outside import OutsideUnavailable
from setpieces.queues import Later, Record, Reject, growing


def process(event: Event, record: Record) -> None:
    """Raises ``Reject`` UNKNOWN_ORDER, AUTHORIZED_AFTER_FAILURE, ORDER_DIFFERS; ``Later`` while the platform is down."""
    if event.kind[2] == "REJECTED":
        if reject(event.data["order_number"], PAYMENT_PROCESSING, event.data["reason_code"]):
            count("OrderRejected")
        return
    number, authorized = event.data["order_number"], event.kind[2] == "AUTHORIZED"
    # Nobody needs the token any more.
    if authorized:
        order = advance(number, PAYMENT_AUTHORIZED, charge_id=event.data["charge_id"], payment_token=None)
    else:
        order = advance(number, CARD_DECLINED, reason_code=PAYMENT_DECLINED, payment_token=None)
        if order:
            count("OrderFailed")
    if not order:
        logger.info("late or repeated result of a payment", extra={"order_number": number, "status": event.kind[2]})
        order = order_of(number)
    if authorized and STATUSES[order["backend_status"]].public == FAILED:
        raise Reject("AUTHORIZED_AFTER_FAILURE", f"the order has failed, but charge {event.data['charge_id']} is held")
    try:
        finish(order)
    except OutsideUnavailable as error:
        raise Later(growing(record.receive_count), str(error)) from error


handler = bus_handler(process)
