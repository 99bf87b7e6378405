"""What waits in the queues of the stage. The numbers are SQS's, approximate and up to a minute old."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from operations.views import Queue
from setpieces.aws import client, error_code
from setpieces.settings import setting

if TYPE_CHECKING:
    from types_boto3_sqs.literals import QueueAttributeNameType

READERS = 8
COUNTS: tuple["QueueAttributeNameType", ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def queues() -> list[Queue]:
    with ThreadPoolExecutor(READERS) as readers:
        return [queue for queue in readers.map(_read, _urls()) if queue]


def _urls() -> Iterator[str]:
    for page in client("sqs").get_paginator("list_queues").paginate(QueueNamePrefix=_prefix()):
        yield from page.get("QueueUrls", [])


def _read(url: str) -> Queue | None:
    try:
        found = client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=list(COUNTS))["Attributes"]
    except ClientError as error:
        # Deleted since it was listed.
        if error_code(error) in ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"):
            return None
        raise
    return Queue(url.rpartition("/")[2].removeprefix(_prefix()), *(int(found[name]) for name in COUNTS))


def _prefix() -> str:
    return f"setpieces-{setting('STAGE')}-"
