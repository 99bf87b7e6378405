"""The queue of updates, which the scheduled function reads itself."""

from collections.abc import Mapping
from typing import Any

from setpieces.aws import client
from setpieces.observability import logger
from setpieces.settings import setting
from setpieces.sqs_consumer import Record

BATCH_SIZE = 10
# Long polling asks all servers of the queue: an empty response means that the queue is empty or all groups are in flight.
WAIT_SECONDS = 1


def receive_updates() -> list[Record]:
    """Receive the next messages, at most ``BATCH_SIZE``, in order within each group."""
    response = client("sqs").receive_message(
        QueueUrl=setting("QUEUE_URL"),
        MaxNumberOfMessages=BATCH_SIZE,
        WaitTimeSeconds=WAIT_SECONDS,
        AttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
    )
    return [_record(message) for message in response.get("Messages", [])]


def delete_updates(records: list[Record]) -> None:
    """Delete messages. One that SQS cannot delete is logged; it is delivered again and becomes the same event."""
    if not records:
        return
    entries: list[Any] = [
        {"Id": str(index), "ReceiptHandle": record.receipt_handle} for index, record in enumerate(records)
    ]
    response = client("sqs").delete_message_batch(QueueUrl=setting("QUEUE_URL"), Entries=entries)
    for failure in response.get("Failed", []):
        message_id = records[int(failure["Id"])].message_id
        logger.warning("message not deleted", extra={"message_id": message_id, "code": failure["Code"]})


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
