"""Messages of the voucher topic, in the envelope of the shop's events: a batch is complete, or has failed."""

import json
from typing import Any

from setpieces.aws import client
from setpieces.events import Event, check
from setpieces.settings import setting

BATCH_COMPLETE = ("VOUCHER", "BATCH", "COMPLETE")
BATCH_FAILED = ("VOUCHER", "BATCH", "FAILED")


def announce_failure(batch: dict[str, Any]) -> None:
    """Tell that a batch has failed although no run of the workflow did."""
    event = Event(BATCH_FAILED, {"batch_id": batch["batch_id"]}, correlation_id=batch["correlation_id"])
    check(event)
    client("sns").publish(TopicArn=setting("TOPIC_ARN"), Message=json.dumps(event.detail()))
