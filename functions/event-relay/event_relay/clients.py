"""Draining the queue of updates, as the schedule does it."""

from collections.abc import Callable, Mapping
from typing import Any

from event_relay.workflow import relay
from setpieces.aws import client
from setpieces.observability import logger
from setpieces.settings import setting
from setpieces.sqs_consumer import Record

BATCH = 10
# Long polling asks all of the queue's servers; an empty answer then means an empty queue, or groups that are all in flight.
WAIT_SECONDS = 1
# What one batch may take: no batch is begun with less left.
BATCH_SECONDS = 10


def drain(remaining_seconds: Callable[[], float]) -> int:
    """Relay until the queue is empty, the time is nearly over, or the bus is in trouble; how many updates are done.

    A message that is not done stays in flight, and with it its group, until its visibility timeout is over.
    """
    count = 0
    while remaining_seconds() > BATCH_SECONDS:
        records = receive()
        if not records:
            break
        done = relay(records)
        delete([record for record in records if record.message_id in done])
        count += len(done)
        if len(done) < len(records):
            logger.warning("the bus refuses events; the next run goes on", extra={"left": len(records) - len(done)})
            break
    return count


def receive() -> list[Record]:
    """The next messages, at most ten, in order within each group."""
    answer = client("sqs").receive_message(
        QueueUrl=setting("QUEUE_URL"),
        MaxNumberOfMessages=BATCH,
        WaitTimeSeconds=WAIT_SECONDS,
        AttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
    )
    return [_record(message) for message in answer.get("Messages", [])]


def delete(records: list[Record]) -> None:
    """Delete ``records``; one that could not be deleted comes back, becomes the same event again, and is logged."""
    if not records:
        return
    entries: list[Any] = [{"Id": str(n), "ReceiptHandle": record.receipt_handle} for n, record in enumerate(records)]
    answer = client("sqs").delete_message_batch(QueueUrl=setting("QUEUE_URL"), Entries=entries)
    for failure in answer.get("Failed", []):
        message_id = records[int(failure["Id"])].message_id
        logger.warning("not deleted", extra={"message_id": message_id, "code": failure["Code"]})


def _record(message: Mapping[str, Any]) -> Record:
    attributes = message.get("Attributes", {})
    return Record(
        message_id=message["MessageId"],
        receive_count=int(attributes.get("ApproximateReceiveCount", "1")),
        group_id=attributes.get("MessageGroupId"),
        attributes={},
        body=message["Body"],
        receipt_handle=message["ReceiptHandle"],
    )
