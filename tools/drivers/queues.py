"""The shop's queues as a campaign sees them: what waits, and what lies dead."""

from tools.client import Shop
from tools.dead_letters import DEAD, LOOK_SECONDS

COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def depths(shop: Shop, part: str = "") -> dict[str, int]:
    """Messages in every queue whose name contains ``part`` and that is not empty, those in flight and put off included."""
    sqs, found = shop.aws("sqs"), {}
    for page in sqs.get_paginator("list_queues").paginate(QueueNamePrefix=f"setpieces-{shop.stage}-{part}"):
        for url in page.get("QueueUrls", []):
            counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(COUNTS))["Attributes"]
            if depth := sum(map(int, counts.values())):
                found[url.rpartition("/")[2]] = depth
    return found


def is_dead(queue: str) -> bool:
    """Whether a queue holds dead letters."""
    return queue.removesuffix(".fifo").endswith(DEAD)


def bodies(shop: Shop, queue: str) -> list[str]:
    """What lies in a queue; it stays there and can be seen by others."""
    sqs = shop.aws("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    found, receipts = [], []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=LOOK_SECONDS).get(
        "Messages", []
    ):
        found += [message["Body"] for message in messages]
        receipts += [message["ReceiptHandle"] for message in messages]
    for receipt in receipts:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
    return found
