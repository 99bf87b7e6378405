"""The live map of the set pieces, for administrators."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.admin_pages import admin_of
from app.pages import render, site_of

Service = dict[str, Any]

# Dimensions of the drawing, in SVG units.
BOX_WIDTH, BOX_HEIGHT, GAP, COLUMNS, BUS_HEIGHT = 168, 56, 16, 6, 36
WIDTH = COLUMNS * (BOX_WIDTH + GAP) + GAP


@dataclass(frozen=True)
class Box:
    """A set piece in the drawing.

    ``publishes`` and ``consumes`` are arrows to and from the bus, which is below the box if ``bus_below``, otherwise above it.
    """

    name: str
    x: int
    y: int
    state: str
    label: str
    publishes: bool
    consumes: bool
    bus_below: bool


@dataclass(frozen=True)
class Drawing:
    boxes: list[Box]
    bus_y: int
    height: int


async def architecture(request: Request) -> Response:
    """GET /admin/architecture?checkout=: the set pieces, and one checkout, by default the latest."""
    session, apis = await admin_of(request), site_of(request).apis

    async def fetch(path: str, **query: str) -> dict[str, Any]:
        return (await apis.call("operations", "GET", path, token=session.token, query=query)).body

    overview, recent = await asyncio.gather(fetch("architecture"), fetch("events"))
    checkout = request.query_params.get("checkout") or latest_checkout(recent["events"])
    traced = (await fetch("events", correlation_id=checkout))["events"] if checkout else []
    values = {
        "as_of": overview["as_of"],
        "services": overview["services"],
        "queues": fullest_first(overview["services"]),
        "drawing": drawing(overview["services"]),
        **{"width": WIDTH, "box_width": BOX_WIDTH, "box_height": BOX_HEIGHT, "bus_height": BUS_HEIGHT},
        "events": recent["events"][:20],
        "checkout": checkout,
        "trace": trace(traced, overview["services"]),
    }
    return await render(request, "architecture.html", **values)


def latest_checkout(events: list[dict[str, Any]]) -> str:
    """Return the correlation id of the newest checkout event, or "" without one; ``events`` are newest first."""
    return next((str(event["correlation_id"]) for event in events if event["event"].startswith("CHECKOUT/")), "")


def fullest_first(services: Iterable[Service]) -> list[dict[str, Any]]:
    """Return all queues with their services: first those with dead letters, then those with messages, then the others."""
    queues = [queue | {"service": service["name"]} for service in services for queue in service["queues"]]
    return sorted(queues, key=lambda queue: (-_messages(queue) * (2 if queue["dead_letters"] else 1), queue["name"]))


def trace(events: list[dict[str, Any]], services: Iterable[Service]) -> list[dict[str, Any]]:
    """Return a checkout's events, oldest first: {event, source, seconds since the first, received_by, data}."""
    consumers: dict[str, set[str]] = {}
    for service in services:
        for route in service["tells"]:
            consumers.setdefault(route["event"], set()).add(route["to"])
    ordered = sorted(events, key=lambda event: event["occurred_at"])
    times = [datetime.fromisoformat(event["occurred_at"]) for event in ordered]
    return [
        {
            **{name: event[name] for name in ("event", "source", "data")},
            "seconds": (time - times[0]).total_seconds(),
            "received_by": sorted(consumers.get(event["event"], ())),
        }
        for event, time in zip(ordered, times, strict=True)
    ]


def drawing(services: list[Service]) -> Drawing:
    """Lay out the set pieces: publishers above the bus, services that only consume below it, and all others at the bottom."""
    consuming = {route["to"] for service in services for route in service["tells"]}
    publishers = [service for service in services if service["tells"]]
    consumers = [service for service in services if not service["tells"] and service["name"] in consuming]
    others = [service for service in services if service not in publishers and service not in consumers]
    bus_y = GAP + _height(publishers)
    below = bus_y + BUS_HEIGHT + GAP
    boxes = _boxes(publishers, GAP, consuming, bus_below=True) + _boxes(consumers, below, consuming, bus_below=False)
    others_y = below + _height(consumers) + GAP
    boxes += _boxes(others, others_y, consuming, bus_below=False)
    return Drawing(boxes, bus_y, others_y + _height(others))


def _height(services: list[Service]) -> int:
    return -(-len(services) // COLUMNS) * (BOX_HEIGHT + GAP)


def _boxes(services: list[Service], y: int, consuming: set[str], *, bus_below: bool) -> list[Box]:
    return [
        Box(
            service["name"],
            GAP + (index % COLUMNS) * (BOX_WIDTH + GAP),
            y + (index // COLUMNS) * (BOX_HEIGHT + GAP),
            *_state(service),
            bool(service["tells"]),
            service["name"] in consuming,
            bus_below,
        )
        for index, service in enumerate(services)
    ]


def _state(service: Service) -> tuple[str, str]:
    """Return the CSS class and the label of a set piece's box."""
    dead = sum(_messages(queue) for queue in service["queues"] if queue["dead_letters"])
    waiting = sum(_messages(queue) for queue in service["queues"] if not queue["dead_letters"])
    if dead:
        return "dead", f"{dead} dead letter{'s' if dead > 1 else ''}"
    if waiting:
        return "busy", f"{waiting} waiting"
    return "quiet", "quiet" if service["queues"] else "no queue"


def _messages(queue: dict[str, Any]) -> int:
    return int(queue["waiting"] + queue["in_work"] + queue["delayed"])
