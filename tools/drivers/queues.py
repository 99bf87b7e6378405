"""Depths and messages of the shop's queues."""

from tools.client import Shop
from tools.dead_letters import DEAD, VISIBILITY_SECONDS

COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def depths(shop: Shop, part: str = "") -> dict[str, int]:
    """Number of messages (waiting, in flight, delayed) by queue, of queues that are not empty.

    ``part`` is the beginning of their names after ``setpieces-<stage>-``.
    """
    sqs, depth_by_queue = shop.aws("sqs"), {}
    for page in sqs.get_paginator("list_queues").paginate(QueueNamePrefix=f"setpieces-{shop.stage}-{part}"):
        for url in page.get("QueueUrls", []):
            counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(COUNTS))["Attributes"]
            if depth := sum(map(int, counts.values())):
                depth_by_queue[url.rpartition("/")[2]] = depth
    return depth_by_queue


def is_dead(queue: str) -> bool:
    """True if a queue is a dead-letter queue."""
    return queue.removesuffix(".fifo").endswith(DEAD)


def bodies(shop: Shop, queue: str) -> list[str]:
    """The bodies of the messages of a queue, which become visible again."""
    sqs = shop.aws("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    texts, receipts = [], []
    while messages := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=VISIBILITY_SECONDS
    ).get("Messages", []):
        texts += [message["Body"] for message in messages]
        receipts += [message["ReceiptHandle"] for message in messages]
    for receipt in receipts:
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
    return texts
