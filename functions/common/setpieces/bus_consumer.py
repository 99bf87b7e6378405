"""A queue consumer whose messages are EventBridge events: ``handler = bus_handler(process)``.

``process(event: Event, record: Record)``; the correlation id of the event is that of every log line and trace of the work.
An event that does not fit its schema is rejected with the reason ``INVALID_EVENT``.
"""

from collections.abc import Callable
from typing import Any

from setpieces import observability
from setpieces.events import Event, parse
from setpieces.queues import Record, Reject, queue_handler


def bus_handler(process: Callable[[Event, Record], None]) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """A Lambda handler for a queue that is the target of an EventBridge rule."""

    def process_body(body: dict[str, Any], record: Record) -> None:
        event = _event(body)
        observability.begin(event.correlation_id)
        process(event, record)

    return queue_handler(process_body)


def _event(body: dict[str, Any]) -> Event:
    from jsonschema import ValidationError

    try:
        return parse(body["detail"])
    except ValidationError as error:
        raise Reject("INVALID_EVENT", error.message) from error
    except (KeyError, TypeError) as error:
        raise Reject("INVALID_EVENT", f"not an event of the bus: {error}") from error
