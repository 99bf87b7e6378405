"""The latest events of the bus, read from its catch-all log."""

import json
import time
from collections.abc import Iterator
from typing import Any, TypedDict

from setpieces.aws import client
from setpieces.settings import setting

MAX_EVENTS = 50
# Each window is read if the one before has fewer events than that.
WINDOWS_MINUTES = (1, 15, 24 * 60)
MAX_LINES_PER_WINDOW = 10_000


class BusEvent(TypedDict):
    """An event of the bus; ``event`` is TYPE/SUBTYPE/STATUS, ``data`` holds references only, no personal data."""

    event_id: str
    event: str
    source: str
    correlation_id: str
    occurred_at: str
    data: Any


def list_events(correlation_id: str = "") -> list[BusEvent]:
    """At most ``MAX_EVENTS`` events, newest first: of one checkout, or of all."""
    events: dict[str, BusEvent] = {}
    # A checkout has too few events to stop at a short window.
    for minutes in WINDOWS_MINUTES[-1:] if correlation_id else WINDOWS_MINUTES:
        # By id, because a replay logs an event again.
        events |= {event["event_id"]: event for event in _read_log(minutes, correlation_id)}
        if len(events) >= MAX_EVENTS:
            break
    return sorted(events.values(), key=lambda event: event["occurred_at"], reverse=True)[:MAX_EVENTS]


def parse_log_line(line: str) -> BusEvent | None:
    """The event in a line that EventBridge has logged; None without the shop's envelope."""
    try:
        logged = json.loads(line)
        event = logged["detail"]["event"]
        meta_data = event["meta_data"]
        return {
            "event_id": str(meta_data["event_id"]),
            "event": "/".join(str(meta_data[name]) for name in ("type", "subtype", "status")),
            "source": str(logged["source"]),
            "correlation_id": str(meta_data["correlation_id"]),
            "occurred_at": str(meta_data["occurred_at"]),
            "data": event["data"],
        }
    except (ValueError, LookupError, TypeError):
        return None


def _read_log(minutes: int, correlation_id: str) -> Iterator[BusEvent]:
    pattern: dict[str, Any] = {"filterPattern": f'"{correlation_id}"'} if correlation_id else {}
    pages = (
        client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=setting("LOG_GROUP_NAME"),
            startTime=int((time.time() - 60 * minutes) * 1000),
            PaginationConfig={"MaxItems": MAX_LINES_PER_WINDOW, "PageSize": 1000},
            **pattern,
        )
    )
    for page in pages:
        for line in page["events"]:
            event = parse_log_line(line["message"])
            # The filter pattern matches anywhere in the line; the data of another checkout may contain this id.
            if event and correlation_id in ("", event["correlation_id"]):
                yield event
