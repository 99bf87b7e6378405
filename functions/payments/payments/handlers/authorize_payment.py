"""Consumes Order submit: charges the order at the payment provider, exactly once, and publishes the result."""

from payments import workflow
from setpieces.eventbridge_consumer import bus_handler
from setpieces.events import Event
from setpieces.sqs_consumer import Record


def process(event: Event, record: Record) -> None:
    """Raises ``PermanentFailure`` for what an operator has to resolve; ``RetryLater``, ``ExternalUnavailable`` for a retry."""
    workflow.authorize_payment(event, record.receive_count)


handler = bus_handler(process)
