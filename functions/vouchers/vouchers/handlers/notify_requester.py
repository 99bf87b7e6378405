"""Messages of the voucher topic: mail the requester of a batch that is complete or has failed."""

from typing import Any

from setpieces import observability
from setpieces.eventbridge_consumer import parse_event
from setpieces.sqs_consumer import Record, queue_handler
from vouchers.events import BATCH_COMPLETE, BATCH_FAILED
from vouchers.workflow.notification import notify_requester


def process(body: dict[str, Any], record: Record) -> None:
    event = parse_event(body, record, (BATCH_COMPLETE, BATCH_FAILED))
    observability.set_correlation_id(event.correlation_id)
    notify_requester(event.data["batch_id"], record.receive_count)


handler = queue_handler(process)
