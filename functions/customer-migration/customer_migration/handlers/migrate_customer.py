"""New customer handler: a sign-up on the new site brings the customer's data over from the legacy platform."""

from typing import Any

from customer_migration.requests import wanted
from customer_migration.workflow import migrate
from setpieces import observability
from setpieces.sqs_consumer import Record, queue_handler


def process(body: dict[str, Any], record: Record) -> None:
    event = wanted(body, record)
    if event is not None:
        observability.begin(event.correlation_id)
        migrate(event.data["customer_id"], record.receive_count)


handler = queue_handler(process)
