"""The submit queue's dead letters: fail the order, so that its customer sees it, and park the message for an operator.

Only an order in validation fails, and only in the attempt that the message is about: an operator may have restarted it since.
One whose payment was requested stays as it is: money may have moved, and the sweep retries it.
"""

import json
from typing import Any

from orders.domain.statuses import PROCESSING_FAILED, VALIDATION_FAILED
from orders.events import enqueue_order
from orders.repository import orders
from orders.repository.orders import StoredOrder
from setpieces.aws import client
from setpieces.observability import logger, metrics
from setpieces.settings import setting
from setpieces.sqs_consumer import Record, queue_handler


def process(body: dict[str, Any], record: Record) -> None:
    failed = _fail(body)
    logger.error(
        "order given up" if failed else "dead letter", extra={"order_number": str(body.get("order_number"))[:64]}
    )
    metrics.add_metric(name="OrdersGivenUp", unit="Count", value=1 if failed else 0)
    reason = record.attributes.get("reason", "RECEIVES_USED_UP")
    client("sqs").send_message(
        QueueUrl=setting("PARKED_QUEUE_URL"),
        # A redrive is the only way out of a failed order, and only from here: docs/runbooks/redrive-orders.md.
        MessageBody=json.dumps(_parked(body)),
        MessageAttributes={"reason": {"DataType": "String", "StringValue": reason}},
    )
    if failed:
        # What it holds is given back. If this is lost, the sweep does it.
        enqueue_order(failed["order_number"], failed["correlation_id"], failed.get("attempt", 0))


def _fail(body: dict[str, Any]) -> StoredOrder | None:
    """The order if it fails."""
    number, attempt = body.get("order_number"), body.get("attempt", 0)
    if not isinstance(number, str):
        return None
    return orders.advance(number, VALIDATION_FAILED, attempt=attempt, reason_code=PROCESSING_FAILED)


def _parked(body: dict[str, Any]) -> dict[str, Any]:
    """The message with which an operator restarts the attempt that it is about; one that was redriven before is the same."""
    return body if body.get("redrive") is True else {"attempt": 0} | body | {"redrive": True}


handler = queue_handler(process)
