"""The frame around every function that consumes a queue: one record at a time, with partial batch responses.

    handler = queue_handler(process)        # process(body: dict, record: Record) -> None

* ``process`` returns: the record is done.
* It raises ``PermanentFailure``: no retry can help. The record goes to the dead-letter queue at once with the reason, and the
  batch continues.
* It raises ``RetryLater``: the record is delivered again after its seconds.
* It raises ``ExternalUnavailable``, or an AWS service does not answer or throttles: as ``RetryLater``, with a backoff that
  grows with each delivery. Waits of the queue's visibility timeout would use up the receives in minutes.
* It raises anything else: the record, and in a FIFO queue all that follow it in its group, is delivered again
  when the queue's visibility timeout is over.

Needs ``QUEUE_URL`` and ``DEAD_LETTER_QUEUE_URL`` in the environment and ``sqs:ChangeMessageVisibility`` on the queue.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit, single_metric
from botocore.exceptions import BotoCoreError, ClientError

from setpieces import observability
from setpieces.aws import client, is_unavailable
from setpieces.backoff import backoff_seconds
from setpieces.errors import ExternalUnavailable, PermanentFailure, RetryLater
from setpieces.observability import logger, metrics, observed
from setpieces.settings import SERVICE, setting

# A message can be invisible for twelve hours from its receipt (API_ChangeMessageVisibility); SQS refuses more, which an
# external system may ask for. An hour leaves time for the attempt itself, and several attempts before the message expires.
MAX_WAIT_SECONDS = 3600


@dataclass(frozen=True)
class Record:
    """What the queue says of a message; ``receive_count`` is 1 on the first delivery, ``sent_at`` in epoch seconds."""

    message_id: str
    receive_count: int
    group_id: str | None
    attributes: dict[str, str]
    body: str
    receipt_handle: str = ""
    queue: str = ""
    sent_at: float | None = None


Process = Callable[[dict[str, Any], Record], None]
ProcessBatch = Callable[[list[Record]], Iterable[str]]


def queue_handler(process: Process) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """A Lambda handler for an SQS event source mapping with ``ReportBatchItemFailures``."""

    def one_by_one(records: list[Record]) -> list[str]:
        failed: list[str] = []
        blocked_groups: set[str] = set()
        for record in records:
            if record.group_id in blocked_groups:
                failed.append(record.message_id)
                continue
            try:
                _process(process, record)
            except Exception as error:
                _fail(record, error)
                failed.append(record.message_id)
                if record.group_id is not None:
                    blocked_groups.add(record.group_id)
        return failed

    return batch_handler(one_by_one)


def batch_handler(process: ProcessBatch) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """As ``queue_handler``, for work on a whole batch: ``process`` gives back the ids of the messages to be delivered again."""

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        failed = process([_record(raw) for raw in event["Records"]])
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    return observed(handler)


def parse_body(record: Record) -> dict[str, Any]:
    """The record's body as a JSON object. Raises ``PermanentFailure`` INVALID_JSON."""
    try:
        body = json.loads(record.body)
    except ValueError as error:
        raise PermanentFailure("INVALID_JSON", str(error)) from error
    if not isinstance(body, dict):
        raise PermanentFailure("INVALID_JSON", "the body is not an object")
    return body


def send_to_dlq(record: Record, failure: PermanentFailure) -> None:
    """Put a copy of the record on the dead-letter queue, with its reason; the record itself is done then."""
    logger.warning("record rejected", extra={"message_id": record.message_id, "reason": failure.reason})
    metrics.add_metric(name="Rejected", unit="Count", value=1)
    attributes = {"reason": failure.reason, "detail": failure.detail[:256], "message_id": record.message_id}
    message: dict[str, Any] = {
        "QueueUrl": setting("DEAD_LETTER_QUEUE_URL"),
        "MessageBody": record.body,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
        },
    }
    if record.group_id is not None:
        message |= {"MessageGroupId": record.group_id, "MessageDeduplicationId": record.message_id}
    client("sqs").send_message(**message)


def _process(process: Process, record: Record) -> None:
    try:
        observability.set_correlation_id(record.attributes.get("correlation_id"))
        process(parse_body(record), record)
        logger.info("done", extra={"message_id": record.message_id, "receive_count": record.receive_count})
    except PermanentFailure as failure:
        send_to_dlq(record, failure)


def _fail(record: Record, error: Exception) -> None:
    """Leave the record on the queue; called while ``error`` is being handled."""
    if isinstance(error, RetryLater):
        defer(record, error.seconds, str(error))
        return
    if isinstance(error, ExternalUnavailable):
        defer(record, backoff_seconds(record.receive_count), str(error))
        return
    logger.exception("record failed", extra={"message_id": record.message_id})
    if is_unavailable(error):
        defer(record, backoff_seconds(record.receive_count), "AWS does not answer")
    else:
        _publish_age(record)


def defer(record: Record, seconds: int, detail: str = "") -> None:
    """Have the record, which stays on the queue, delivered again in ``seconds``, at most ``MAX_WAIT_SECONDS``."""
    seconds = min(seconds, MAX_WAIT_SECONDS)
    logger.warning("record deferred", extra={"message_id": record.message_id, "seconds": seconds, "detail": detail})
    _publish_age(record)
    try:
        client("sqs").change_message_visibility(
            QueueUrl=setting("QUEUE_URL"), ReceiptHandle=record.receipt_handle, VisibilityTimeout=seconds
        )
    except (BotoCoreError, ClientError):
        # It comes back all the same, when the queue's own visibility timeout is over.
        logger.exception("visibility not changed", extra={"message_id": record.message_id})


def _publish_age(record: Record) -> None:
    """The age of a message that stays on its queue after an attempt, as the metric ``DeferredMessageAge`` of the queue.

    SQS leaves a message that was received more than three times out of ``ApproximateAgeOfOldestMessage``: in an outage that
    is every message. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """
    if record.sent_at is None:
        return
    age = time.time() - record.sent_at
    dimensions = {"service": SERVICE}
    with single_metric(
        "DeferredMessageAge", MetricUnit.Seconds, age, namespace="SetPieces", default_dimensions=dimensions
    ) as metric:
        metric.add_dimension("queue", record.queue)


def _record(raw: dict[str, Any]) -> Record:
    attributes = raw.get("attributes") or {}
    sent = raw.get("messageAttributes") or {}
    return Record(
        message_id=raw["messageId"],
        receive_count=int(attributes.get("ApproximateReceiveCount", "1")),
        group_id=attributes.get("MessageGroupId"),
        attributes={name: value.get("stringValue", "") for name, value in sent.items()},
        body=raw["body"],
        receipt_handle=raw.get("receiptHandle", ""),
        queue=raw.get("eventSourceARN", "").rsplit(":", 1)[-1],
        sent_at=int(attributes["SentTimestamp"]) / 1000 if "SentTimestamp" in attributes else None,
    )
