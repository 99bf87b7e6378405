"""The queues of the stage. Their message counts are those of SQS: approximate, and up to a minute old."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from operations.domain import Queue
from setpieces.aws import client, error_code
from setpieces.settings import setting

if TYPE_CHECKING:
    from types_boto3_sqs.literals import QueueAttributeNameType

THREADS = 8
COUNTS: tuple["QueueAttributeNameType", ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def list_queues() -> list[Queue]:
    """Every queue of the stage with its message counts."""
    with ThreadPoolExecutor(THREADS) as threads:
        return [queue for queue in threads.map(_load_queue, _queue_urls()) if queue]


def _queue_urls() -> Iterator[str]:
    for page in client("sqs").get_paginator("list_queues").paginate(QueueNamePrefix=_prefix()):
        yield from page.get("QueueUrls", [])


def _load_queue(url: str) -> Queue | None:
    """The queue at ``url``; None if it was deleted after it was listed."""
    try:
        attributes = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=list(COUNTS))["Attributes"]
    except ClientError as error:
        if error_code(error) in ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"):
            return None
        raise
    return Queue(url.rpartition("/")[2].removeprefix(_prefix()), *(int(attributes[name]) for name in COUNTS))


def _prefix() -> str:
    return f"setpieces-{setting('STAGE')}-"
