"""What campaigns do to the shop: deliveries twice and late, every event once more, a consumer that stands still."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.drivers.invariants import LOGGED_BUS, SETTLE_SECONDS, logged
from local.drivers.promises import Promises
from local.drivers.queues import depths, is_dead
from local.shop import Shop, eventually
from tests.resilience.journeys import Client, look


def disturb(shop: Shop, method: str, **wanted: Any) -> dict[str, Any]:
    """Ask for disturbed deliveries (``PUT``), for how much was disturbed (``GET``) or for none (``DELETE``)."""
    return shop.emulator(method, "/_setpieces/deliveries", json=wanted).raise_for_status().json()


@contextmanager
def disturbed(shop: Shop, **wanted: Any) -> Iterator[None]:
    """Deliveries as ``local.deliveries`` says, for the duration of the block."""
    disturb(shop, "PUT", **wanted)
    try:
        yield
    finally:
        disturb(shop, "DELETE")


def mapping(shop: Shop, queue: str) -> dict[str, Any]:
    """The event source mapping of a queue, without the stage's prefix."""
    pages = shop.aws("lambda").get_paginator("list_event_source_mappings").paginate()
    found = (each for page in pages for each in page["EventSourceMappings"])
    return next(each for each in found if each["EventSourceArn"].endswith(f":setpieces-{shop.stage}-{queue}"))


@contextmanager
def standing(shop: Shop, queue: str) -> Iterator[None]:
    """The queue has no consumer for the duration of the block."""
    uuid = mapping(shop, queue)["UUID"]
    shop.aws("lambda").update_event_source_mapping(UUID=uuid, Enabled=False)
    try:
        yield
    finally:
        shop.aws("lambda").update_event_source_mapping(UUID=uuid, Enabled=True)


def repeat_events(shop: Shop, promises: Promises, chance: random.Random) -> int:
    """Put every event of the run that is about one of its orders on the bus once more, in any order; how many."""
    numbers = {order.number for order in promises.orders}
    events = [json.loads(message) for message in logged(shop, LOGGED_BUS, promises.started)]
    events = [event for event in events if event["detail"]["event"]["data"].get("order_number") in numbers]
    chance.shuffle(events)
    for event in events:
        entry = {
            "EventBusName": shop.address("event-bus", "bus-name"),
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
        }
        assert shop.aws("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    return len(events)


def waiting(shop: Shop, promises: Promises, *queues: str) -> dict[str, int]:
    """Queues with work of this run, or those of them whose name ends so."""
    found = {queue: depth - promises.left_before.get(queue, 0) for queue, depth in depths(shop).items()}
    return {
        queue: depth
        for queue, depth in found.items()
        if depth > 0 and not is_dead(queue) and queue.endswith(queues or "")
    }


def settle(shop: Shop, promises: Promises, *queues: str, timeout: float = SETTLE_SECONDS) -> None:
    """Until no work waits any more, or none on these queues; clients go on asking for their orders meanwhile."""
    client = Client(shop, promises, "settle")

    def idle() -> bool:
        for order in promises.orders:
            look(client, order)
        return not waiting(shop, promises, *queues)

    for _ in range(2):
        eventually(idle, timeout=timeout, every=1)
