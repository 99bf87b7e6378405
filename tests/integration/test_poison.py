"""Every consumer: an invalid message goes to the consumer's dead-letter queue with its reason, and delays no other message."""

from typing import Any

import pytest

from model.settings import STAGE
from tests.integration.consumers import consumers
from tools.client import Shop, eventually, unique


@pytest.mark.parametrize(("queue", "letters"), consumers())
def test_an_invalid_message_becomes_a_dead_letter_with_its_reason(shop: Shop, queue: str, letters: str):
    queue, letters = (name.replace(f"-{STAGE}-", f"-{shop.stage}-", 1) for name in (queue, letters))
    sqs, nonsense = shop.aws("sqs"), unique("no json")
    ordered = {"MessageGroupId": nonsense, "MessageDeduplicationId": nonsense} if queue.endswith(".fifo") else {}
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody=nonsense, **ordered)
    url = sqs.get_queue_url(QueueName=letters)["QueueUrl"]

    def dead_letter() -> dict[str, Any] | None:
        response = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=3
        )
        return next((one for one in response.get("Messages", []) if one["Body"] == nonsense), None)

    # Longer than the visibility timeout of a queue whose function has just been killed.
    letter = eventually(dead_letter)
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "INVALID_JSON"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
