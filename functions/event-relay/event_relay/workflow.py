"""Relays the commerce platform's updates to the bus, for the schedule and for the event source mapping."""

from collections.abc import Callable

from event_relay import clients
from event_relay.domain import split_into_rounds
from event_relay.events import SOURCE, build_event
from setpieces import observability
from setpieces.errors import PermanentFailure
from setpieces.events import Event, try_publish
from setpieces.observability import logger, metrics
from setpieces.sqs_consumer import Record, send_to_dlq

# The time that one batch may take: no batch is started with less left.
BATCH_SECONDS = 10


def drain_queue(remaining_seconds: Callable[[], float]) -> int:
    """Relay updates until the queue is empty, the time is nearly over, or the bus refuses events; the number of updates done.

    A message that is not done stays in flight, and with it its group, until its visibility timeout is over.
    """
    count = 0
    while remaining_seconds() > BATCH_SECONDS:
        records = clients.receive_updates()
        if not records:
            break
        done = relay(records)
        clients.delete_updates([record for record in records if record.message_id in done])
        count += len(done)
        if len(done) < len(records):
            logger.warning("the bus refuses events", extra={"left": len(records) - len(done)})
            break
    return count


def relay(records: list[Record]) -> set[str]:
    """Publish the events that report the updates in ``records``; the ids of the messages that are done.

    A message is done if the bus has acknowledged its event, if it is on the dead-letter queue, or if the shop has published the
    update itself. Events of one group are published in the order of the queue; after the bus refuses one, no later one is
    published. If an AWS call fails, its error is raised and no message counts as done.
    """
    done: set[str] = set()
    events: list[tuple[str | None, tuple[Record, Event]]] = []
    for record in records:
        event = _build_event_or_reject(record)
        if event is None:
            done.add(record.message_id)
        else:
            events.append((record.group_id, (record, event)))
    blocked_groups: set[str | None] = set()
    for candidates in split_into_rounds(events):
        batch = [(record, event) for record, event in candidates if record.group_id not in blocked_groups]
        refused = {event.event_id for event in try_publish(*(event for _, event in batch), source=SOURCE)}
        for record, event in batch:
            if event.event_id in refused:
                blocked_groups.add(record.group_id)
            else:
                done.add(record.message_id)
                _log_relayed(event)
    return done


def _build_event_or_reject(record: Record) -> Event | None:
    """``build_event``, or None after a message that can never become an event was sent to the dead-letter queue."""
    try:
        return build_event(record)
    except PermanentFailure as failure:
        observability.set_correlation_id(record.message_id)
        send_to_dlq(record, failure)
        return None


def _log_relayed(event: Event) -> None:
    observability.set_correlation_id(event.correlation_id)
    logger.info("event relayed", extra={"event": "/".join(event.kind), "event_id": event.event_id})
    metrics.add_metric(name="Relayed", unit="Count", value=1)
