"""Disturbances for campaigns: duplicate and late deliveries, repeated events, a disabled consumer."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.resilience.purchases import request_status
from tests.resilience.retrying_client import Client
from tools.client import Shop, eventually
from tools.drivers.invariants.runner import RECOVERY_SECONDS
from tools.drivers.invariants.traces import BUS_LOG_GROUP, log_messages
from tools.drivers.promises import Promises
from tools.drivers.queues import depths, is_dead


def configure_deliveries(shop: Shop, method: str, **settings: Any) -> dict[str, Any]:
    """Configure disturbed deliveries (``PUT``), read their counts (``GET``) or remove them (``DELETE``)."""
    return shop.emulator(method, "/_setpieces/deliveries", json=settings).raise_for_status().json()


@contextmanager
def disturbed_deliveries(shop: Shop, **settings: Any) -> Iterator[None]:
    """Disturb deliveries during the block; ``local.emulator.delivery_chaos`` documents the settings."""
    configure_deliveries(shop, "PUT", **settings)
    try:
        yield
    finally:
        configure_deliveries(shop, "DELETE")


def get_mapping(shop: Shop, queue: str) -> dict[str, Any]:
    """The event source mapping of a queue, without the stage's prefix."""
    pages = shop.aws("lambda").get_paginator("list_event_source_mappings").paginate()
    mappings = (each for page in pages for each in page["EventSourceMappings"])
    return next(each for each in mappings if each["EventSourceArn"].endswith(f":setpieces-{shop.stage}-{queue}"))


@contextmanager
def without_consumer(shop: Shop, queue: str) -> Iterator[None]:
    """Disable the queue's consumer during the block."""
    uuid = get_mapping(shop, queue)["UUID"]
    shop.aws("lambda").update_event_source_mapping(UUID=uuid, Enabled=False)
    try:
        yield
    finally:
        shop.aws("lambda").update_event_source_mapping(UUID=uuid, Enabled=True)


def repeat_events(shop: Shop, promises: Promises, chance: random.Random) -> int:
    """Publish every event about the run's orders again, in random order. Returns the number of events."""
    numbers = {order.number for order in promises.orders}
    events = [json.loads(message) for message in log_messages(shop, BUS_LOG_GROUP, promises.started)]
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


def non_empty_queues(shop: Shop, promises: Promises, *queues: str) -> dict[str, int]:
    """Depths of the queues that hold messages of this run; ``queues`` are suffixes that restrict the result."""
    depth_by_queue = {queue: depth - promises.initial_depths.get(queue, 0) for queue, depth in depths(shop).items()}
    return {
        queue: depth
        for queue, depth in depth_by_queue.items()
        if depth > 0 and not is_dead(queue) and queue.endswith(queues or "")
    }


def wait_until_idle(shop: Shop, promises: Promises, *queues: str, timeout: float = RECOVERY_SECONDS) -> None:
    """Wait until all queues, or these, are empty; meanwhile clients request the status of their orders."""
    client = Client(shop, promises, "wait_until_idle")

    def idle() -> bool:
        for order in promises.orders:
            request_status(client, order)
        return not non_empty_queues(shop, promises, *queues)

    for _ in range(2):
        eventually(idle, timeout=timeout, every=1)
