"""Builds the events that report the commerce platform's updates."""

from event_relay.domain import PROFILE_UPDATED, EventDraft, draft_event
from setpieces.errors import PermanentFailure
from setpieces.events import Event, InvalidEvent, derived_id, profile_updated_id, validate_event
from setpieces.sqs_consumer import Record, parse_body

SOURCE = "event-relay"


def build_event(record: Record) -> Event | None:
    """The event that reports the update in a message; None if the shop has published it itself.

    An update always has the same event id, so consumers recognise an event that is published twice: after a crash of the relay
    before it deleted the message, after a repeat by the platform, or after a redrive. Raises ``PermanentFailure`` INVALID_JSON,
    INVALID_UPDATE, UNKNOWN_UPDATE or INVALID_EVENT.
    """
    draft = draft_event(parse_body(record))
    if draft is None:
        return None
    event = Event(
        kind=draft.kind,
        data=draft.data,
        event_id=_event_id(draft, record),
        correlation_id=draft.correlation_id or record.message_id,
        occurred_at=draft.occurred_at,
    )
    try:
        validate_event(event)
    except InvalidEvent as error:
        raise PermanentFailure("INVALID_EVENT", str(error)) from error
    return event


def _event_id(draft: EventDraft, record: Record) -> str:
    if draft.kind == PROFILE_UPDATED and "version" in draft.data:
        return profile_updated_id(draft.data["customer_id"], draft.data["version"])
    return derived_id(SOURCE, record.body)
