"""Messages of the voucher topic, in the envelope of the shop's events: a batch is complete, or has failed."""

import json

from setpieces.aws import client
from setpieces.events import Event, validate_event
from setpieces.settings import setting

BATCH_COMPLETE = ("VOUCHER", "BATCH", "COMPLETE")
BATCH_FAILED = ("VOUCHER", "BATCH", "FAILED")


def publish_batch_failed(batch_id: str, correlation_id: str) -> None:
    """Announce the failure of a batch whose state machine has not."""
    event = Event(BATCH_FAILED, {"batch_id": batch_id}, correlation_id=correlation_id)
    validate_event(event)
    client("sns").publish(TopicArn=setting("TOPIC_ARN"), Message=json.dumps(event.detail()))
