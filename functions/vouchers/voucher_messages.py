"""Messages of the voucher topic, in the envelope of the shop's events: a batch is complete, or has failed."""

import json
from typing import Any

from setpieces.aws import client
from setpieces.bus_consumer import event_of
from setpieces.events import Event, check
from setpieces.queues import Record, Reject
from setpieces.settings import setting

BATCH_COMPLETE = ("VOUCHER", "BATCH", "COMPLETE")
BATCH_FAILED = ("VOUCHER", "BATCH", "FAILED")


def announce_failure(batch: dict[str, Any]) -> None:
    """Tell that a batch has failed although no run of the workflow did."""
    event = Event(BATCH_FAILED, {"batch_id": batch["batch_id"]}, correlation_id=batch["correlation_id"])
    check(event)
    client("sns").publish(TopicArn=setting("TOPIC_ARN"), Message=json.dumps(event.detail()))


def told(body: dict[str, Any], record: Record) -> Event:
    """The event in a message. Raises ``Reject``, ``Later``."""
    event = event_of(body, record)
    if event.kind not in (BATCH_COMPLETE, BATCH_FAILED):
        raise Reject("UNKNOWN_EVENT", "/".join(event.kind))
    return event
