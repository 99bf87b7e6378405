"""The set pieces as the templates have them, for the live map: ``make reference`` rewrites it.

[{name, description, tells: [{event, to, queue}]}], queues without ``setpieces-<stage>-``.
"""

import json
from typing import Any

from model import routing
from model.settings import ROOT, STAGE

PAGE = ROOT / "functions" / "operations" / "operations" / "architecture.json"


def services() -> list[dict[str, Any]]:
    found = routing.templates().items()
    return [
        {"name": name, "description": document["Description"], "tells": _told_by(name)}
        for name, document in found
        if name not in ("shop", "delivery")
    ]


def _told_by(service: str) -> list[dict[str, str]]:
    return [
        {"event": kind, "to": route.service, "queue": route.queue.removeprefix(f"setpieces-{STAGE}-")}
        for kind, told_by in sorted(routing.producers().items())
        if service in {producer for producer, _ in told_by}
        for route in routing.consumers(kind)
    ]


def page() -> str:
    return json.dumps(services(), indent=2) + "\n"
