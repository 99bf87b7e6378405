"""The live map of the set pieces, for the shop's own people."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.admin_pages import admin_of
from app.pages import show, site_of

Service = dict[str, Any]

# Of the drawing, in its own units.
BOX_WIDTH, BOX_HEIGHT, GAP, COLUMNS, BUS_HEIGHT = 168, 56, 16, 6, 36
WIDTH = COLUMNS * (BOX_WIDTH + GAP) + GAP


@dataclass(frozen=True)
class Box:
    """A set piece in the drawing. ``tells`` and ``hears`` are arrows to and from the bus, which is ``below`` it or above."""

    name: str
    x: int
    y: int
    state: str
    words: str
    tells: bool
    hears: bool
    below: bool


@dataclass(frozen=True)
class Drawing:
    boxes: list[Box]
    bus_y: int
    height: int


async def architecture(request: Request) -> Response:
    """GET /admin/architecture?checkout=: the set pieces, and one checkout, by default the latest."""
    session, apis = await admin_of(request), site_of(request).apis

    async def ask(path: str, **query: str) -> dict[str, Any]:
        return (await apis.call("operations", "GET", path, token=session.token, query=query)).body

    found, told = await asyncio.gather(ask("architecture"), ask("events"))
    checkout = request.query_params.get("checkout") or latest_checkout(told["events"])
    traced = (await ask("events", correlation_id=checkout))["events"] if checkout else []
    values = {
        "as_of": found["as_of"],
        "services": found["services"],
        "queues": fullest_first(found["services"]),
        "drawing": drawing(found["services"]),
        **{"width": WIDTH, "box_width": BOX_WIDTH, "box_height": BOX_HEIGHT, "bus_height": BUS_HEIGHT},
        "events": told["events"][:20],
        "checkout": checkout,
        "trace": trace(traced, found["services"]),
    }
    return await show(request, "architecture.html", **values)


def latest_checkout(events: list[dict[str, Any]]) -> str:
    """The correlation id of the newest event of an order, empty if there is none."""
    return next((str(event["correlation_id"]) for event in events if event["event"].startswith("CHECKOUT/")), "")


def fullest_first(services: Iterable[Service]) -> list[dict[str, Any]]:
    """All queues with their services: those with dead letters, then those with messages, then the others."""
    queues = [queue | {"service": service["name"]} for service in services for queue in service["queues"]]
    return sorted(queues, key=lambda queue: (-_messages(queue) * (2 if queue["dead_letters"] else 1), queue["name"]))


def trace(events: list[dict[str, Any]], services: Iterable[Service]) -> list[dict[str, Any]]:
    """A checkout's events, oldest first: {event, source, seconds since the first, heard_by, data}."""
    hearers: dict[str, set[str]] = {}
    for service in services:
        for told in service["tells"]:
            hearers.setdefault(told["event"], set()).add(told["to"])
    ordered = sorted(events, key=lambda event: event["occurred_at"])
    times = [datetime.fromisoformat(event["occurred_at"]) for event in ordered]
    return [
        {
            **{name: event[name] for name in ("event", "source", "data")},
            "seconds": (time - times[0]).total_seconds(),
            "heard_by": sorted(hearers.get(event["event"], ())),
        }
        for event, time in zip(ordered, times, strict=True)
    ]


def drawing(services: list[Service]) -> Drawing:
    """Who tells something above the bus, who only hears below it, and all others under a line of their own."""
    hearing = {told["to"] for service in services for told in service["tells"]}
    tellers = [service for service in services if service["tells"]]
    hearers = [service for service in services if not service["tells"] and service["name"] in hearing]
    others = [service for service in services if service not in tellers and service not in hearers]
    bus_y = GAP + _height(tellers)
    below = bus_y + BUS_HEIGHT + GAP
    boxes = _placed(tellers, GAP, hearing, below=True) + _placed(hearers, below, hearing, below=False)
    others_y = below + _height(hearers) + GAP
    boxes += _placed(others, others_y, hearing, below=False)
    return Drawing(boxes, bus_y, others_y + _height(others))


def _height(services: list[Service]) -> int:
    return -(-len(services) // COLUMNS) * (BOX_HEIGHT + GAP)


def _placed(services: list[Service], y: int, hearing: set[str], *, below: bool) -> list[Box]:
    return [
        Box(
            service["name"],
            GAP + (place % COLUMNS) * (BOX_WIDTH + GAP),
            y + (place // COLUMNS) * (BOX_HEIGHT + GAP),
            *_state(service),
            bool(service["tells"]),
            service["name"] in hearing,
            below,
        )
        for place, service in enumerate(services)
    ]


def _state(service: Service) -> tuple[str, str]:
    """How a set piece is drawn, and what is written in it."""
    dead = sum(_messages(queue) for queue in service["queues"] if queue["dead_letters"])
    waiting = sum(_messages(queue) for queue in service["queues"] if not queue["dead_letters"])
    if dead:
        return "dead", f"{dead} dead letter{'s' if dead > 1 else ''}"
    if waiting:
        return "busy", f"{waiting} waiting"
    return "quiet", "quiet" if service["queues"] else "no queue"


def _messages(queue: dict[str, Any]) -> int:
    return int(queue["waiting"] + queue["in_work"] + queue["delayed"])
