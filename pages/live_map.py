"""The services and events of the live map, as its function ``operations-show-architecture`` reads them."""

import json
from pathlib import Path
from typing import Any

from model import routing
from model.settings import ROOT, STAGE

FILE = ROOT / "functions" / "operations" / "operations" / "architecture.json"
# The parent template, and the prerequisites of an account.
WITHOUT_QUEUES = ("shop", "delivery")


def files() -> dict[Path, str]:
    """{generated, services: [{name, description, tells: [{event, to, queue}]}]}; queues omit ``setpieces-<stage>-``."""
    content = {"generated": "by make generate from the templates", "services": services()}
    return {FILE: json.dumps(content, indent=2) + "\n"}


def services() -> list[dict[str, Any]]:
    return [
        {"name": name, "description": template["Description"], "tells": _published_events(name)}
        for name, template in routing.templates().items()
        if name not in WITHOUT_QUEUES
    ]


def _published_events(service: str) -> list[dict[str, str]]:
    """The events of a service, one entry for each queue that receives them."""
    return [
        {"event": kind, "to": route.service, "queue": route.queue.removeprefix(f"setpieces-{STAGE}-")}
        for kind, producers in sorted(routing.producers().items())
        if service in {producer for producer, _ in producers}
        for route in routing.consumers(kind)
    ]
