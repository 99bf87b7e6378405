"""Events of CloudWatch Logs."""

from datetime import UTC, datetime
from typing import Any

from tools.logs import PAGE, lines

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)


MS = int(NOW.timestamp() * 1000)


def event(timestamp: int, message: str, stream: str = "one") -> dict[str, Any]:
    return {"timestamp": timestamp, "message": message, "logStreamName": stream}


class Events:
    """CloudWatch Logs with the events of one group; as in the emulator, the oldest ``PAGE`` and no token for more."""

    class exceptions:
        class ResourceNotFoundException(Exception):
            pass

    def __init__(self, *events: dict[str, Any]) -> None:
        self.events = list(events)

    def get_paginator(self, operation: str) -> "Events":
        assert operation == "filter_log_events"
        return self

    def paginate(self, logGroupName: str, startTime: int, filterPattern: str = '""') -> list[dict[str, Any]]:
        if logGroupName == "missing":
            raise self.exceptions.ResourceNotFoundException
        text = filterPattern.strip('"').lower()
        events = [one for one in self.events if one["timestamp"] >= startTime and text in one["message"].lower()]
        return [{"events": sorted(events, key=lambda one: one["timestamp"])[:PAGE]}]


def text(message: str, timestamp: int | None = MS) -> list[str]:
    return [row.rstrip() for line in lines(message, timestamp) for row in line.plain.split("\n")]
