"""Payment authorized, Payment declined: the order goes to the commerce platform and is complete, or has failed."""

from order_statuses import CARD_DECLINED, PAYMENT_AUTHORIZED, PAYMENT_DECLINED
from order_steps import finish, order_of
from order_table import advance

from setpieces.bus_consumer import bus_handler
from setpieces.events import Event
from setpieces.observability import logger
from setpieces.outside import OutsideUnavailable
from setpieces.queues import Later, Record, growing


def process(event: Event, record: Record) -> None:
    number = order_of(event.data["order_number"])["order_number"]
    if event.kind[2] == "DECLINED":
        moved = advance(number, CARD_DECLINED, reason_code=PAYMENT_DECLINED)
    else:
        moved = advance(number, PAYMENT_AUTHORIZED, charge_id=event.data["charge_id"])
    if not moved:
        logger.info("late or repeated result of a payment", extra={"order_number": number, "status": event.kind[2]})
    try:
        finish(order_of(number))
    except OutsideUnavailable as error:
        raise Later(growing(record.receive_count), str(error)) from error


handler = bus_handler(process)
