"""Updates of the platform become events of the bus: the same for the schedule and for the event source mapping."""

from event_relay.domain import PROFILE_UPDATED, Meaning, Unusable, meaning, rounds
from setpieces import observability
from setpieces.errors import PermanentFailure
from setpieces.events import Event, InvalidEvent, check, derived_id, offer, profile_updated_id
from setpieces.observability import logger, metrics
from setpieces.sqs_consumer import Record, body_of, send_to_dlq

SOURCE = "event-relay"


def relay(records: list[Record]) -> set[str]:
    """Put ``records``, in the order of the queue, on the bus; the ids of those that are done.

    Done is what the bus has acknowledged, what is dead with its reason, and what the shop caused itself. Once the bus refuses
    an event, nothing else of its group is sent. Any other failure is raised: the caller then knows of nothing that is done.
    """
    done: set[str] = set()
    events: list[tuple[str | None, tuple[Record, Event]]] = []
    for record in records:
        event = _event_or_bury(record)
        if event is None:
            done.add(record.message_id)
        else:
            events.append((record.group_id, (record, event)))
    blocked: set[str | None] = set()
    for candidates in rounds(events):
        sent = [(record, event) for record, event in candidates if record.group_id not in blocked]
        refused = {event.event_id for event in offer(*(event for _, event in sent), source=SOURCE)}
        for record, event in sent:
            if event.event_id in refused:
                blocked.add(record.group_id)
            else:
                done.add(record.message_id)
                _tell(event)
    return done


def parse_event(record: Record) -> Event | None:
    """The event that a record means; None if the shop caused it. Raises ``PermanentFailure``.

    The same update always gives the same event id, so that a consumer recognises one that is sent again: because the relay
    crashed between publishing it and deleting the message, because the platform sent it twice, or by a redrive.
    """
    try:
        found = meaning(body_of(record))
    except Unusable as unusable:
        raise PermanentFailure(unusable.reason, unusable.detail) from unusable
    if found is None:
        return None
    event = Event(
        kind=found.kind,
        data=found.data,
        event_id=_event_id(found, record),
        correlation_id=found.correlation_id or record.message_id,
        occurred_at=found.occurred_at,
    )
    try:
        check(event)
    except InvalidEvent as error:
        raise PermanentFailure("INVALID_EVENT", str(error)) from error
    return event


def _event_id(found: Meaning, record: Record) -> str:
    if found.kind == PROFILE_UPDATED and "version" in found.data:
        return profile_updated_id(found.data["customer_id"], found.data["version"])
    return derived_id(SOURCE, record.body)


def _event_or_bury(record: Record) -> Event | None:
    try:
        return parse_event(record)
    except PermanentFailure as reject:
        observability.begin(record.message_id)
        send_to_dlq(record, reject)
        return None


def _tell(event: Event) -> None:
    observability.begin(event.correlation_id)
    logger.info("relayed", extra={"event": "/".join(event.kind), "event_id": event.event_id})
    metrics.add_metric(name="Relayed", unit="Count", value=1)
