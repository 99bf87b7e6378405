"""Messages of the customer topic, and our own that ask for the same."""

from typing import Any

from migration_merge import ORIGIN

from setpieces.events import Event, parse
from setpieces.queues import Record, Reject

CREATED = ("CUSTOMER", "PROFILE", "CREATED")
UPDATED = ("CUSTOMER", "PROFILE", "UPDATED")


def wanted(body: dict[str, Any], record: Record) -> Event | None:
    """The event in a message; None for an echo of our own write, which the subscription filters out but for the minutes that a
    change of its filter takes. Raises ``Reject``.
    """
    from jsonschema import ValidationError

    if record.attributes.get("origin") == ORIGIN:
        return None
    try:
        event = parse(body)
    except ValidationError as error:
        raise Reject("INVALID_EVENT", error.message) from error
    except (KeyError, TypeError) as error:
        raise Reject("INVALID_EVENT", f"not an event: {error}") from error
    if event.kind not in (CREATED, UPDATED):
        raise Reject("UNKNOWN_EVENT", "/".join(event.kind))
    return event


def request(customer_id: str) -> dict[str, Any]:
    """The message that asks for a migration as a sign-up does."""
    return Event(CREATED, {"customer_id": customer_id}).detail()
