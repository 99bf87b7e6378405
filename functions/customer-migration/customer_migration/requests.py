"""Parses messages of the customer topic and requests of administrators."""

import re
from dataclasses import dataclass
from typing import Any

from customer_migration.domain import ORIGIN, PROFILE_CREATED, PROFILE_UPDATED
from setpieces.errors import Refused
from setpieces.eventbridge_consumer import parse_event
from setpieces.rest_api import Request
from setpieces.sqs_consumer import Record

_CUSTOMER_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class MigrateCustomer:
    """Migrate a customer; ``receive_count`` is 1 on the message's first delivery."""

    customer_id: str
    receive_count: int
    correlation_id: str


def parse_migrate_customer(body: dict[str, Any], record: Record) -> MigrateCustomer | None:
    """The command in a message; None if the migration itself caused the event.

    The subscription's filter drops such events, except for minutes after a change of the filter. Raises ``RetryLater``, and
    ``PermanentFailure`` INVALID_EVENT or UNKNOWN_EVENT.
    """
    if record.attributes.get("origin") == ORIGIN:
        return None
    event = parse_event(body, record, (PROFILE_CREATED, PROFILE_UPDATED))
    return MigrateCustomer(event.data["customer_id"], record.receive_count, event.correlation_id)


def parse_customer_id(request: Request) -> str:
    """The customer id in the path. Raises ``Refused`` INVALID_REQUEST."""
    customer_id = request.path_parameters["customer_id"]
    if not _CUSTOMER_ID.fullmatch(customer_id):
        raise Refused("INVALID_REQUEST", "must be 1 to 64 of A-Z a-z 0-9 _ -", "/customer_id")
    return customer_id
