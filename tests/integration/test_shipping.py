"""From Order complete on the bus to the shipment at SAP: exactly one per order."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from model.routing import consumers
from tests.integration.spokes import (
    about,
    customer_id,
    dead_letters,
    drained,
    next_order_number,
    place,
    placed,
    put,
    waiting,
)
from tools.client import Shop, eventually
from tools.dead_letters import DeadLetter, messages_of, queues, redrive

COMPLETE = ("CHECKOUT", "ORDER", "COMPLETE")
QUEUE, DEAD = "shipping-shipments.fifo", "shipping-shipments-dlq.fifo"


def shipped(shop: Shop, number: str, times: int = 1) -> bool:
    return len(shop.ledger("shipments", number)) == times


def test_a_complete_order_is_shipped(shop: Shop):
    number = placed(shop)
    put(shop, about(shop, number, *COMPLETE), source="order")
    (shipment,) = eventually(lambda: shop.ledger("shipments", number))
    assert shipment["customer_id"] == customer_id(shop)
    assert shipment["lines"] == [{"sku": "PLATFORM-1", "quantity": 1}]
    assert shipment["ship_to"] == {"country": "DE", "postal_code": "50667"}


def test_repeated_and_second_events_ship_once(shop: Shop):
    """The same event again (at-least-once), and another event about the same order (completion and relay)."""
    numbers = [placed(shop) for _ in range(10)]
    first = [about(shop, number, *COMPLETE) for number in numbers]
    second = [about(shop, number, *COMPLETE) for number in numbers]
    with drained(shop, QUEUE):
        with ThreadPoolExecutor(4) as clients:
            list(clients.map(lambda event: put(shop, event, source="order"), [*first, *second, *reversed(first)]))
        for number in numbers:
            eventually(partial(shipped, shop, number))
    assert [number for number in numbers if not shipped(shop, number)] == []


def test_an_order_that_was_shipped_with_other_content_is_parked(shop: Shop):
    number = placed(shop)
    other = {"customer_id": "C100000002", "lines": [{"sku": "SP-1", "quantity": 1}], "ship_to": {"country": "AT"}}
    assert shop.call("PUT", f"/partners/v1/sap/shipments/{number}", json=other).status_code == 201
    put(shop, about(shop, number, *COMPLETE), source="order")
    (dead,) = eventually(lambda: dead_letters(shop, DEAD, number))
    assert dead.reason == "DIFFERENT_SHIPMENT"
    assert shipped(shop, number)


def test_the_platform_may_learn_of_an_order_after_its_event(shop: Shop):
    """One order comes late and is shipped; one comes too late and is parked. A healthy order does not wait for either."""
    late, too_late, healthy = next_order_number(shop), next_order_number(shop), placed(shop)
    put(shop, *(about(shop, number, *COMPLETE) for number in (late, too_late, healthy)), source="event-relay")
    eventually(lambda: shipped(shop, healthy))
    place(shop, late)
    eventually(lambda: shipped(shop, late))
    (url,) = queues(shop, DEAD)
    assert eventually(lambda: parked(shop, url, too_late)).reason == "UNKNOWN_ORDER"
    place(shop, too_late)
    assert redrive(shop, url, about=too_late) == 1
    eventually(lambda: shipped(shop, too_late))
    assert dead_letters(shop, DEAD, too_late) == []


def parked(shop: Shop, url: str, number: str) -> DeadLetter | None:
    with messages_of(shop, url) as letters:
        return next((letter for letter in letters if letter.about == number), None)


@pytest.mark.parametrize(
    ("fault", "at_once"), [({"outage": True}, 0), ({"latency_ms": 4000, "operations": ["create_shipment"]}, 1)]
)
def test_a_failing_sap_costs_time_and_nothing_else(shop: Shop, fault: dict, at_once: int):
    """A slow SAP has created the shipment although its caller timed out; one that is out has not."""
    number = placed(shop)
    with drained(shop, QUEUE), shop.faults("sap", **fault):
        put(shop, about(shop, number, *COMPLETE), source="order")
        eventually(lambda: waiting(shop, QUEUE, "NotVisible") and shipped(shop, number, at_once))
    assert eventually(lambda: shipped(shop, number))
    assert dead_letters(shop, DEAD, number) == []


def test_every_spoke_parks_an_event_that_violates_its_schema(shop: Shop):
    number = placed(shop)
    put(shop, about(shop, number, *COMPLETE, customer_id="not a customer"), source="order")
    spokes = [route.queue.removeprefix(f"setpieces-{shop.stage}-") for route in consumers("/".join(COMPLETE))]
    assert "shipping-completed" in spokes
    for spoke in spokes:
        (dead,) = eventually(partial(dead_letters, shop, f"{spoke}-dlq", number))
        assert (dead.reason, dead.event) == ("INVALID_EVENT", "CHECKOUT/ORDER/COMPLETE")
    assert shop.ledger("shipments", number) == []
