"""Messages of the customer topic, and our own that ask for the same."""

from typing import Any

from customer_migration.domain import ORIGIN
from setpieces.eventbridge_consumer import parse_event
from setpieces.events import Event
from setpieces.sqs_consumer import Record

CREATED = ("CUSTOMER", "PROFILE", "CREATED")
UPDATED = ("CUSTOMER", "PROFILE", "UPDATED")


def wanted(body: dict[str, Any], record: Record) -> Event | None:
    """The event in a message; None for an echo of our own write, which the subscription filters out but for the minutes that a
    change of its filter takes. Raises ``PermanentFailure``, ``Later``.
    """
    if record.attributes.get("origin") == ORIGIN:
        return None
    return parse_event(body, record, (CREATED, UPDATED))


def request(customer_id: str) -> dict[str, Any]:
    """The message that asks for a migration as a sign-up does."""
    return Event(CREATED, {"customer_id": customer_id}).detail()
