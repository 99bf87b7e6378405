"""Many orders under faults: every order ends, is charged at most once and, if it is Complete, is shipped once.

Partners return 5xx and time out, requests are sent twice, events are delivered twice and out of order, and function processes
are killed. ``SETPIECES_ORDERS`` is the number of orders (500 is the full campaign and takes some ten minutes).
"""

import json
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import httpx
import pytest

from local.cloud.processes import kill_workers
from tests.resilience.journeys import place_order, request_status
from tests.resilience.retrying_client import PATIENCE_SECONDS, Client
from tools.client import Shop, eventually, new_basket_id, unique, with_retries
from tools.drivers.invariants.runner import RECOVERY_SECONDS, assert_invariants
from tools.drivers.promises import Promises
from tools.events import listening, receive_events

ORDERS = int(os.environ.get("SETPIECES_ORDERS", "40"))
CLIENTS = 16
# Number of events that wait for repetition, so that they follow events published later.
LATE_EVENTS = 5
PARTNERS = ("commerce", "payments", "sap", "tax", "rewards")


class Chaos:
    """Repeats events and disturbs partners; seeded, so that a run can be repeated."""

    def __init__(self, shop: Shop, queue: str) -> None:
        self.shop, self.queue, self.random = shop, queue, random.Random(20261123)
        self.stopped = threading.Event()

    def repeat_events(self) -> None:
        """Publish every fifth event again, later and in another order."""
        event_ids: set[str] = set()
        waiting: list[dict[str, Any]] = []
        while not self.stopped.is_set():
            arrived = receive_events(self.shop, self.queue, wait_seconds=1)
            # Events are identified by their own id, so that repeats are not repeated again.
            new = {event["detail"]["event"]["meta_data"]["event_id"]: event for event in arrived}
            waiting += [event for key, event in new.items() if key not in event_ids and self.random.random() < 0.2]
            event_ids |= set(new)
            self.random.shuffle(waiting)
            while len(waiting) > LATE_EVENTS:
                self._put(waiting.pop())
        for event in waiting:
            self._put(event)

    def _put(self, event: dict[str, Any]) -> None:
        entry = {
            "EventBusName": self.shop.address("event-bus", "bus-name"),
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
        }
        assert self.shop.aws("events").put_events(Entries=[entry])["FailedEntryCount"] == 0

    def disturb_partners(self) -> None:
        """One in ten responses is a 500; periodically one partner exceeds its callers' timeouts."""
        while not self.stopped.is_set():
            slow = self.random.choice(PARTNERS)
            for partner in PARTNERS:
                self._disturb(partner, latency_ms=5000 if partner == slow else 0)
            self.stopped.wait(1)
            self._disturb(slow, latency_ms=0)
            self.stopped.wait(4)

    def _disturb(self, partner: str, latency_ms: int) -> None:
        fault = {"latency_ms": latency_ms, "error_rate": 0.1, "outage": False}
        with suppress(httpx.HTTPError):  # its process has just been killed
            self.shop.call("PUT", f"/partners/v1/faults/{partner}", json=fault)


@contextmanager
def chaos(shop: Shop):
    with listening(shop) as queue:
        state = Chaos(shop, queue)
        threads = [threading.Thread(target=work) for work in (state.repeat_events, state.disturb_partners)]
        for thread in threads:
            thread.start()
        try:
            yield state
        finally:
            state.stopped.set()
            for thread in threads:
                thread.join()
            eventually(lambda: partners_are_undisturbed(shop), timeout=PATIENCE_SECONDS)


def partners_are_undisturbed(shop: Shop) -> bool:
    """True if no partner has faults; removes faults that were set late."""
    disturbed = []
    for partner in PARTNERS:
        path = f"/partners/v1/faults/{partner}"
        fault = shop.call("GET", path).json()
        if fault["error_rate"] or fault["latency_ms"]:
            disturbed.append(partner)
            shop.call("DELETE", path)
    return not disturbed


@pytest.mark.timeout(RECOVERY_SECONDS * 3)
def test_no_order_is_lost_charged_twice_or_shipped_twice(shop: Shop, products: list[dict]):
    promises = Promises.of(shop)
    baskets = [new_basket_id("campaign") for _ in range(8)]
    for basket, product in zip(baskets, products, strict=False):
        path = f"/basket/v1/baskets/{basket}/items"
        line, once = {"sku": product["sku"], "quantity": 1}, {"Idempotency-Key": unique("add")}
        assert with_retries(partial(shop.call, "POST", path, json=line, headers=once)).status_code == 201

    def submit(number: int) -> None:
        token = "tok_declined" if number % 20 == 0 else "tok_ok"
        place_order(Client(shop, promises, number), baskets[number % len(baskets)], token, twice=number % 10 == 0)

    with chaos(shop), ThreadPoolExecutor(CLIENTS) as clients:
        killed = 0
        placed = [clients.submit(submit, number) for number in range(ORDERS)]
        for mark in (ORDERS // 3, ORDERS * 2 // 3):
            placed[mark].result()
            killed += kill_workers()
        for one in placed:
            one.result()
        assert killed
        deadline = time.monotonic() + RECOVERY_SECONDS / 2
        while time.monotonic() < deadline and (unfinished := [each for each in promises.orders if not each.ended]):
            list(clients.map(lambda order: request_status(Client(shop, promises, order.number), order), unfinished))
            time.sleep(0.5)

    # The partners have recovered; the remaining orders complete.
    assert len(promises.orders) == ORDERS
    promises.expected_dead_letters |= {order.number for order in promises.orders}
    assert_invariants(shop, promises, RECOVERY_SECONDS)
