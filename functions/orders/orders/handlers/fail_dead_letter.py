"""The submit queue's dead letters: fail the order, so that its customer sees it, and park the message for an operator.

Only an order in validation fails. One whose payment was requested stays as it is: money may have moved, and
the sweep retries it.
"""

import json
from typing import Any

from orders.domain.statuses import PROCESSING_FAILED, VALIDATION_FAILED
from orders.events import enqueue_order
from orders.repository import orders
from setpieces.aws import client
from setpieces.observability import logger, metrics
from setpieces.settings import setting
from setpieces.sqs_consumer import Record, queue_handler


def process(body: dict[str, Any], record: Record) -> None:
    number = body.get("order_number")
    failed = (
        orders.advance(number, VALIDATION_FAILED, reason_code=PROCESSING_FAILED) if isinstance(number, str) else None
    )
    logger.error("order given up" if failed else "dead letter", extra={"order_number": str(number)[:64]})
    metrics.add_metric(name="OrdersGivenUp", unit="Count", value=1 if failed else 0)
    reason = record.attributes.get("reason", "RECEIVES_USED_UP")
    client("sqs").send_message(
        QueueUrl=setting("PARKED_QUEUE_URL"),
        # A redrive is the only way out of a failed order, and only from here: docs/runbooks/redrive-orders.md.
        MessageBody=json.dumps(body | {"redrive": True}),
        MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
    )
    if failed:
        # What it holds is given back. If this is lost, the sweep does it.
        enqueue_order(failed["order_number"], failed["correlation_id"])


handler = queue_handler(process)
