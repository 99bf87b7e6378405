"""Order submit: charge the order at the payment provider, exactly once, and tell the bus how it went."""

import time

from payments.clients import settle
from payments.domain import Step, needs_the_provider
from payments.events import FINAL, SOURCE, rejection, result
from payments.requests import read_order
from setpieces.backoff import backoff_seconds
from setpieces.errors import ExternalUnavailable, PermanentFailure, RetryLater
from setpieces.eventbridge_consumer import bus_handler
from setpieces.events import Event, publish
from setpieces.observability import logger, metrics
from setpieces.sqs_consumer import Record

# Of the function's 10 s; the rest is for telling the bus. One record is one call, so all of it is this order's.
SECONDS = 8.0


def process(event: Event, record: Record) -> None:
    """A crash after the charge is made good by the next delivery, which finds the charge and tells the same result.

    Raises ``PermanentFailure`` for what a person has to look at, ``RetryLater`` for what may come right.
    """
    end = time.monotonic() + SECONDS
    try:
        order = read_order(event.data["order_number"])
        step, charge = Step.NOTHING, None
        if needs_the_provider(order):
            step, charge = settle(order, lambda: end - time.monotonic(), record.receive_count)
    except PermanentFailure as reject:
        if reject.reason in FINAL:
            publish(rejection(order, reject.reason, event), source=SOURCE)
        raise
    except ExternalUnavailable as error:
        raise RetryLater(backoff_seconds(record.receive_count), str(error)) from error
    logger.info("payment", extra={"order_number": order.order_number, "step": step.name})
    if charge and step is not Step.NOTHING:
        publish(result(step, order, charge, event), source=SOURCE)
        metrics.add_metric(name=f"Payment{step.name.capitalize()}", unit="Count", value=1)


handler = bus_handler(process)
