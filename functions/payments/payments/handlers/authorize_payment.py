"""Consumes Order submit: charges the order at the payment provider, exactly once, and publishes the result."""

from payments import workflow
from setpieces.backoff import backoff_seconds
from setpieces.errors import ExternalUnavailable, RetryLater
from setpieces.eventbridge_consumer import bus_handler
from setpieces.events import Event
from setpieces.sqs_consumer import Record


def process(event: Event, record: Record) -> None:
    """Raises ``PermanentFailure`` for what a person has to resolve, ``RetryLater`` for what a retry may resolve."""
    try:
        workflow.authorize_payment(event, record.receive_count)
    except ExternalUnavailable as error:
        raise RetryLater(backoff_seconds(record.receive_count), str(error)) from error


handler = bus_handler(process)
