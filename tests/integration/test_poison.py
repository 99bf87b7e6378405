"""Every consumer: a message that is none goes to the consumer's own dead letters with its reason, and holds up nobody."""

from typing import Any

import pytest

from local.declared import Piece, every, name_of
from local.settings import STAGE
from local.shop import Shop, eventually, unique

QUEUE, FUNCTION = "AWS::SQS::Queue", "AWS::Lambda::Function"

# Dead letters that a function deals with at once; tests/integration/test_orders.py follows those.
TAKEN_UP = {"setpieces-local-orders-submit-dlq"}


def consumers() -> list[Any]:
    """(queue, dead-letter queue) of every function that is behind a queue of its template and buries what no retry can help."""
    found = []
    for piece, _, source in every("AWS::Lambda::EventSourceMapping"):
        queues, function = piece.of_type(QUEUE), piece.of_type(FUNCTION)[name_of(source["FunctionName"])]
        letters = queues.get(name_of(function["Environment"]["Variables"].get("DEAD_LETTER_QUEUE_URL")))
        queue = queues.get(name_of(source["EventSourceArn"]))
        if queue and letters and letters["QueueName"] not in TAKEN_UP and not conditional(piece, source):
            name = function["FunctionName"].removeprefix("setpieces-local-")
            found.append(pytest.param(queue["QueueName"], letters["QueueName"], id=name))
    return found


def conditional(piece: Piece, source: dict[str, Any]) -> bool:
    """Is the mapping there only if a parameter says so?"""
    return any("Condition" in one for one in piece.resources.values() if one["Properties"] == source)


@pytest.mark.parametrize(("queue", "letters"), consumers())
def test_what_is_no_message_becomes_a_dead_letter_with_its_reason(shop: Shop, queue: str, letters: str):
    queue, letters = (name.replace(f"-{STAGE}-", f"-{shop.stage}-", 1) for name in (queue, letters))
    sqs, nonsense = shop.aws("sqs"), unique("no json")
    ordered = {"MessageGroupId": nonsense, "MessageDeduplicationId": nonsense} if queue.endswith(".fifo") else {}
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=queue)["QueueUrl"], MessageBody=nonsense, **ordered)
    url = sqs.get_queue_url(QueueName=letters)["QueueUrl"]

    def buried() -> dict[str, Any] | None:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=3
        )
        return next((one for one in answer.get("Messages", []) if one["Body"] == nonsense), None)

    # Longer than the visibility timeout of a queue whose function has just been killed.
    letter = eventually(buried)
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "INVALID_JSON"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])
