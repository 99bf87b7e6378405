"""A queue consumer whose messages are EventBridge events: ``handler = bus_handler(process)``.

``process(event: Event, record: Record)``; the correlation id of the event is that of every log line and trace of the work.
An event that does not fit its schema is rejected with the reason ``INVALID_EVENT``; one of another major version waits on the
queue for the release that reads it.
"""

from collections.abc import Callable, Collection
from typing import Any

from setpieces import observability
from setpieces.events import Event, InvalidEvent, UnknownVersion, parse
from setpieces.sqs_consumer import Later, Record, Reject, growing, queue_handler


def bus_handler(process: Callable[[Event, Record], None]) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """A Lambda handler for a queue that is the target of an EventBridge rule."""

    def process_body(body: dict[str, Any], record: Record) -> None:
        event = event_of(body.get("detail"), record)
        observability.begin(event.correlation_id)
        process(event, record)

    return queue_handler(process_body)


def event_of(detail: Any, record: Record, kinds: Collection[tuple[str, str, str]] = ()) -> Event:
    """The event in ``detail``, which came in ``record``: one of ``kinds``, or any without them.

    Raises ``Reject`` INVALID_EVENT, UNKNOWN_EVENT, and ``Later`` for a version that is published before this consumer is
    deployed again.
    """
    try:
        event = parse(detail)
    except UnknownVersion as error:
        raise Later(growing(record.receive_count), str(error)) from error
    except InvalidEvent as error:
        raise Reject("INVALID_EVENT", str(error)) from error
    if kinds and event.kind not in kinds:
        raise Reject("UNKNOWN_EVENT", "/".join(event.kind))
    return event
