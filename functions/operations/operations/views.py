"""Builds the responses of the API. ``make generate`` writes ``architecture.json`` from the templates."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from operations.domain import Queue, group_by_service


def architecture_view(queues: Iterable[Queue], now: datetime) -> dict[str, Any]:
    """{services: [{name, description, tells: [{event, to, queue}], queues}], as_of}."""
    grouped = group_by_service(queues, [service["name"] for service in _services()])
    services = [
        service | {"queues": [_queue_view(queue) for queue in grouped[service["name"]]]} for service in _services()
    ]
    return {"services": services, "as_of": now.isoformat(timespec="seconds")}


def _queue_view(queue: Queue) -> dict[str, Any]:
    """{name, waiting, in_work, delayed, dead_letters}."""
    return asdict(queue) | {"dead_letters": queue.has_dead_letters}


@cache
def _services() -> list[dict[str, Any]]:
    services: list[dict[str, Any]] = json.loads(Path(__file__).with_name("architecture.json").read_text())["services"]
    return services
