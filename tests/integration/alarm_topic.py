"""Messages on the alarm topic."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tools.client import Shop, unique


@contextmanager
def listening(shop: Shop) -> Iterator[Callable[[], list[str]]]:
    """Returns the messages received since the last call, a few at a time; none if none arrives within a second."""
    sqs, sns = shop.aws("sqs"), shop.aws("sns")
    topic = shop.address("foundation", "alarm-topic-arn")
    url = sqs.create_queue(QueueName=unique("alarms"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    subscription = sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
    )["SubscriptionArn"]

    def messages() -> list[str]:
        batch = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        for message in batch:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in batch]

    try:
        yield messages
    finally:
        sns.unsubscribe(SubscriptionArn=subscription)
        sqs.delete_queue(QueueUrl=url)
