"""The submit queue: {order_number}, with the correlation id as message attribute."""

import json

from setpieces.aws import client
from setpieces.settings import setting


def enqueue(order_number: str, correlation_id: str) -> None:
    """Have the order processed. May be done more than once."""
    client("sqs").send_message(
        QueueUrl=setting("SUBMIT_QUEUE_URL"),
        MessageBody=json.dumps({"order_number": order_number}),
        MessageAttributes={"correlation_id": {"DataType": "String", "StringValue": correlation_id}},
    )
