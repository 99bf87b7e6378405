"""The submit queue's dead letters: the customer is told that the order has failed, and the message is kept for a person.

Only an order that is still being validated fails. One whose payment has been asked for stays as it is: money may have moved,
and the sweeper asks again.
"""

import json
from typing import Any

from orders.domain.statuses import PROCESSING_FAILED, VALIDATION_FAILED
from orders.repository import advance
from setpieces.aws import client
from setpieces.observability import logger, metrics
from setpieces.settings import setting
from setpieces.sqs_consumer import Record, queue_handler


def process(body: dict[str, Any], record: Record) -> None:
    number = body.get("order_number")
    failed = isinstance(number, str) and advance(number, VALIDATION_FAILED, reason_code=PROCESSING_FAILED)
    logger.error("order given up" if failed else "dead letter", extra={"order_number": str(number)[:64]})
    metrics.add_metric(name="OrdersGivenUp", unit="Count", value=1 if failed else 0)
    reason = record.attributes.get("reason", "RECEIVES_USED_UP")
    client("sqs").send_message(
        QueueUrl=setting("PARKED_QUEUE_URL"),
        # A redrive is the only way out of a failed order, and only from here: see docs/runbooks/redrive-orders.md.
        MessageBody=json.dumps(body | {"redrive": True}),
        MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
    )


handler = queue_handler(process)
