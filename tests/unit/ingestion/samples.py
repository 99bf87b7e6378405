"""Lines of event files."""

from typing import Any


def line(event_id: str = "e1", **fields: Any) -> dict[str, Any]:
    event = {"event_id": event_id, "type": "page.viewed", "occurred_at": "2026-01-01T00:00:00Z", "data": {}}
    return {"received_at": 1767225600000, "request_id": "r", "event": event | fields}
