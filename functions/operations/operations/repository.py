"""The last events of the bus, from its catch-all log."""

import json
import time
from collections.abc import Iterator
from typing import Any

from setpieces.aws import client
from setpieces.settings import setting

MOST = 50
# How far back is looked, in minutes: further only if the last ones brought too little.
WINDOWS = (1, 15, 24 * 60)
# Lines of the log that are read at most in one window.
MOST_READ = 10_000


def last_events(correlation_id: str = "") -> list[dict[str, Any]]:
    """At most 50, newest first, all or those of one checkout: {event_id, event, source, correlation_id, occurred_at, data}."""
    found: dict[str, dict[str, Any]] = {}
    # One checkout has few events: the short windows would only be read for nothing.
    for minutes in WINDOWS[-1:] if correlation_id else WINDOWS:
        # A replay tells of an event again.
        found |= {event["event_id"]: event for event in _read(minutes, correlation_id)}
        if len(found) >= MOST:
            break
    return sorted(found.values(), key=lambda event: event["occurred_at"], reverse=True)[:MOST]


def _read(minutes: int, correlation_id: str) -> Iterator[dict[str, Any]]:
    pattern: dict[str, Any] = {"filterPattern": f'"{correlation_id}"'} if correlation_id else {}
    pages = (
        client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=setting("LOG_GROUP_NAME"),
            startTime=int((time.time() - 60 * minutes) * 1000),
            PaginationConfig={"MaxItems": MOST_READ, "PageSize": 1000},
            **pattern,
        )
    )
    for page in pages:
        for line in page["events"]:
            event = shown(line["message"])
            # The pattern is about the whole line; another checkout may mention this one.
            if event and correlation_id in ("", event["correlation_id"]):
                yield event


def shown(line: str) -> dict[str, Any] | None:
    """What is told of an event as EventBridge logs it; None for what has not the shop's envelope."""
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
            # References only: nothing else is on the bus.
            "data": event["data"],
        }
    except (ValueError, LookupError, TypeError):
        return None
