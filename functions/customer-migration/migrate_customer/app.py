"""New customer handler: a sign-up on the new site brings the customer's data over from the legacy platform."""

from typing import Any

from migration_messages import wanted
from migration_run import migrate

from setpieces import observability
from setpieces.queues import Record, queue_handler


def process(body: dict[str, Any], record: Record) -> None:
    event = wanted(body, record)
    if event is not None:
        observability.begin(event.correlation_id)
        migrate(event.data["customer_id"], record.receive_count)


handler = queue_handler(process)
