"""The layout of the live map, and the trace of a checkout."""

from itertools import combinations
from typing import Any

import pytest

from app.map_pages import BOX_HEIGHT, BOX_WIDTH, BUS_HEIGHT, WIDTH, drawing, fullest_first, latest_checkout, trace


def queue(name: str, waiting: int = 0, dead: bool = False) -> dict[str, Any]:
    return {"name": name, "waiting": waiting, "in_work": 0, "delayed": 0, "dead_letters": dead}


def service(name: str, *queues: dict[str, Any], tells: str = "") -> dict[str, Any]:
    routes = [{"event": "CHECKOUT/ORDER/SUBMIT", "to": tells, "queue": f"{tells}-q"}] if tells else []
    return {"name": name, "description": "", "tells": routes, "queues": list(queues)}


def event(number: int, kind: str = "CHECKOUT/ORDER/SUBMIT", correlation_id: str = "c") -> dict[str, Any]:
    at = f"2026-01-01T12:00:{number:02}.500+00:00"
    return {"event": kind, "source": "s", "correlation_id": correlation_id, "occurred_at": at, "data": {}}


def test_publishers_are_above_the_bus_and_consumers_below():
    layout = drawing([service("orders", tells="payments"), service("payments"), service("catalog")])
    boxes = {box.name: box for box in layout.boxes}
    assert (
        boxes["orders"].y + BOX_HEIGHT
        < layout.bus_y
        < layout.bus_y + BUS_HEIGHT
        < boxes["payments"].y
        < boxes["catalog"].y
    )
    assert [(box.publishes, box.consumes) for box in boxes.values()] == [(True, False), (False, True), (False, False)]


@pytest.mark.parametrize("count", [0, 1, 6, 7, 40])
def test_boxes_do_not_overlap_and_stay_inside(count: int):
    tells = ["consumer", ""]
    layout = drawing([service(f"s{number}", tells=tells[number % 2]) for number in range(count)])
    for box in layout.boxes:
        assert 0 <= box.x <= WIDTH - BOX_WIDTH
        assert 0 <= box.y <= layout.height - BOX_HEIGHT
    for one, other in combinations(layout.boxes, 2):
        assert abs(one.x - other.x) >= BOX_WIDTH or abs(one.y - other.y) >= BOX_HEIGHT


@pytest.mark.parametrize(
    ("queues", "state", "label"),
    [
        ((), "quiet", "no queue"),
        ((queue("a"),), "quiet", "quiet"),
        ((queue("a", 3), queue("b", 1)), "busy", "4 waiting"),
        ((queue("a", 3), queue("a-dlq", 1, dead=True)), "dead", "1 dead letter"),
        ((queue("a-dlq", 2, dead=True),), "dead", "2 dead letters"),
    ],
)
def test_box_shows_waiting_messages_and_dead_letters(queues: tuple[dict[str, Any], ...], state: str, label: str):
    [box] = drawing([service("orders", *queues)]).boxes
    assert (box.state, box.label) == (state, label)


def test_queues_with_dead_letters_are_first():
    services = [service("x", queue("x-a"), queue("x-b", 2)), service("y", queue("y-dlq", 2, dead=True))]
    assert [(each["name"], each["service"]) for each in fullest_first(services)] == [
        ("y-dlq", "y"),
        ("x-b", "x"),
        ("x-a", "x"),
    ]


def test_latest_checkout_is_that_of_the_newest_checkout_event():
    events = [event(3, "CUSTOMER/SESSION/LOGIN", "a"), event(2, correlation_id="b"), event(1, correlation_id="c")]
    assert latest_checkout(events) == "b"
    assert latest_checkout(events[:1]) == latest_checkout([]) == ""


def test_trace_is_in_order_with_times_and_receivers():
    steps = trace([event(4), event(1)], [service("orders", tells="payments")])
    assert [(step["seconds"], step["received_by"]) for step in steps] == [(0.0, ["payments"]), (3.0, ["payments"])]
    assert trace([], []) == []
