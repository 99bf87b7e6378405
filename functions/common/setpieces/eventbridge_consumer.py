"""A queue consumer whose messages are EventBridge events: ``handler = bus_handler(process)``.

``process(event: Event, record: Record)``; the correlation id of the event is that of every log line and trace of the work.
An event that does not match its schema goes to the dead-letter queue with the reason ``INVALID_EVENT``; one of another major
version stays on the queue until a release that reads it is deployed.
"""

from collections.abc import Callable, Collection
from typing import Any

from setpieces import observability
from setpieces.backoff import backoff_seconds
from setpieces.errors import PermanentFailure, RetryLater
from setpieces.events import Event, InvalidEvent, UnknownVersion, parse
from setpieces.sqs_consumer import Record, queue_handler


def bus_handler(process: Callable[[Event, Record], None]) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """A Lambda handler for a queue that is the target of an EventBridge rule."""

    def process_body(body: dict[str, Any], record: Record) -> None:
        event = parse_event(body.get("detail"), record)
        observability.set_correlation_id(event.correlation_id)
        process(event, record)

    return queue_handler(process_body)


def parse_event(detail: Any, record: Record, kinds: Collection[tuple[str, str, str]] = ()) -> Event:
    """The event in ``detail``, which came in ``record``: one of ``kinds``, or any without them.

    Raises ``PermanentFailure`` INVALID_EVENT or UNKNOWN_EVENT, and ``RetryLater`` for a major version that this consumer does
    not know: a release that knows it is to be deployed.
    """
    try:
        event = parse(detail)
    except UnknownVersion as error:
        raise RetryLater(backoff_seconds(record.receive_count), str(error)) from error
    except InvalidEvent as error:
        raise PermanentFailure("INVALID_EVENT", str(error)) from error
    if kinds and event.kind not in kinds:
        raise PermanentFailure("UNKNOWN_EVENT", "/".join(event.kind))
    return event
