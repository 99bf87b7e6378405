"""Consumes the customer topic: migrates a customer's data from the legacy platform after sign-up."""

from typing import Any

from customer_migration.requests import parse_migrate_customer
from customer_migration.workflow import migrate_customer
from setpieces import observability
from setpieces.sqs_consumer import Record, queue_handler


def process(body: dict[str, Any], record: Record) -> None:
    command = parse_migrate_customer(body, record)
    if command is not None:
        observability.set_correlation_id(command.correlation_id)
        migrate_customer(command)


handler = queue_handler(process)
