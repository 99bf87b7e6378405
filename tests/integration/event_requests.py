"""Requests that send events to the ingestion API."""

from datetime import UTC, datetime
from typing import Any

import httpx

from tools.client import Shop

ONE, MANY = "/ingestion/v1/events", "/ingestion/v1/events/batch"


def event_request(name: str, number: Any = 0, **fields: Any) -> dict[str, Any]:
    """An event whose type no other test has."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"event_id": f"{name}-{number}", "type": name, "occurred_at": now, "data": {"number": 1}} | fields


def send(shop: Shop, key: dict[str, str], path: str, body: bytes) -> httpx.Response:
    return shop.call("POST", path, content=body, headers=key)
