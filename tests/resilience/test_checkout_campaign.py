"""Many orders while everything goes wrong: every one ends, is charged at most once, and is shipped once if it is Complete.

Partners answer 5xx and time out, requests are sent twice, events come twice and out of order, and the functions' processes are
killed in the middle. ``SETPIECES_ORDERS`` says how many orders (500 is the full campaign, and takes some ten minutes).
"""

import json
import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from local.events import listening, received
from local.processes import kill_workers
from local.shop import Shop, eventually, unique
from setpieces.events import parse

ORDERS = int(os.environ.get("SETPIECES_ORDERS", "40"))
CLIENTS = 16
# So many events wait for their repetition: it comes after others that were published later.
LATE_EVENTS = 5
# After all workers were killed, a machine with two cores needs a while until it answers again.
PATIENCE_SECONDS = 300
SETTLE_SECONDS = 240 + ORDERS
ADDRESS = {"name": "Ada Sample", "city": "Berlin", "postal_code": "10115", "country": "DE"}
PARTNERS = ("commerce", "payments", "sap", "tax", "rewards")


@dataclass
class Order:
    """What a client asked for, and every status that it was shown."""

    payment_token: str
    number: str = ""
    shown: list[str] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return bool(self.shown) and self.shown[-1] != "Processing"


class Chaos:
    """Everything that goes wrong; seeded, so that a run can be repeated."""

    def __init__(self, shop: Shop, queue: str) -> None:
        self.shop, self.queue, self.random = shop, queue, random.Random(20261123)
        self.events: list[dict[str, Any]] = []
        self.stopped = threading.Event()

    def repeat_events(self) -> None:
        """Take note of every event, and put every fifth on the bus once more, later and in another order."""
        known: set[str] = set()
        waiting: list[dict[str, Any]] = []
        while not self.stopped.is_set():
            arrived = received(self.shop, self.queue, wait_seconds=1)
            self.events += arrived
            # By the event's own id, so that a repeat is not taken for news and repeated for ever.
            new = {event["detail"]["event"]["meta_data"]["event_id"]: event for event in arrived}
            waiting += [event for key, event in new.items() if key not in known and self.random.random() < 0.2]
            known |= set(new)
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
        """One of ten answers is a 500; now and then a partner is too slow for its callers."""
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
            eventually(lambda: recovered(shop), timeout=PATIENCE_SECONDS)


def recovered(shop: Shop) -> bool:
    """Whether no partner is disturbed any more; a request to disturb one may have been carried out late."""
    disturbed = []
    for partner in PARTNERS:
        path = f"/partners/v1/faults/{partner}"
        fault = shop.call("GET", path).json()
        if fault["error_rate"] or fault["latency_ms"]:
            disturbed.append(partner)
            shop.call("DELETE", path)
    return not disturbed


def place(shop: Shop, order: Order, basket: str, twice: bool) -> None:
    """Submit as a client does: with a key, and again until there is an answer."""
    headers = {"Idempotency-Key": unique("order")}
    sent = {"basket_id": basket, "customer_id": "C000000001", "payment_token": order.payment_token, "ship_to": ADDRESS}

    def number() -> str | None:
        answer = shop.call("POST", "/orders/v1/orders", json=sent, headers=headers)
        assert answer.status_code in (202, 429, 500, 502, 503, 504), answer.text
        return answer.json().get("order_number")

    order.number = eventually(number, timeout=PATIENCE_SECONDS)
    assert eventually(lambda: poll(shop, order), timeout=PATIENCE_SECONDS) != 404, (
        "an order that was accepted is unknown"
    )
    if twice:
        assert eventually(number, timeout=PATIENCE_SECONDS) == order.number


def poll(shop: Shop, order: Order) -> int:
    """The HTTP status of a poll; 0 if nobody answered."""
    try:
        answer = shop.call("GET", f"/orders/v1/orders/{order.number}/status")
    except httpx.HTTPError:
        return 0
    if answer.status_code == 200:
        order.shown.append(answer.json()["status"])
    return answer.status_code


def depths(shop: Shop) -> dict[str, int]:
    """Queues of the shop that are not empty."""
    sqs, names = shop.aws("sqs"), ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = {}
    for url in sqs.list_queues(QueueNamePrefix=f"setpieces-{shop.stage}-").get("QueueUrls", []):
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[*names, "ApproximateNumberOfMessagesDelayed"])
        found[url.rpartition("/")[2]] = sum(int(count) for count in counts["Attributes"].values())
    return {name: depth for name, depth in found.items() if depth}


@pytest.mark.timeout(SETTLE_SECONDS * 3)
def test_no_order_is_lost_charged_twice_or_shipped_twice(shop: Shop, products: list[dict]):
    before = depths(shop)
    baskets = [unique("campaign") for _ in range(8)]
    for basket, product in zip(baskets, products, strict=False):
        path = f"/basket/v1/baskets/{basket}/items"
        assert shop.call("POST", path, json={"sku": product["sku"], "quantity": 1}).status_code == 201
    orders = [Order("tok_declined" if n % 20 == 0 else "tok_ok") for n in range(ORDERS)]

    with chaos(shop) as disturbed, ThreadPoolExecutor(CLIENTS) as clients:
        killed = 0
        placed = [
            clients.submit(place, shop, order, baskets[n % len(baskets)], n % 10 == 0) for n, order in enumerate(orders)
        ]
        for mark in (len(orders) // 3, len(orders) * 2 // 3):
            placed[mark].result()
            killed += kill_workers()
        for one in placed:
            one.result()
        assert killed

        deadline = time.monotonic() + SETTLE_SECONDS / 2
        while time.monotonic() < deadline and not all(order.ended for order in orders):
            list(clients.map(lambda order: poll(shop, order), [order for order in orders if not order.ended]))
            time.sleep(0.5)

    # The partners have recovered; what is left gets done.
    def all_ended() -> bool:
        recovered(shop)
        for order in orders:
            if not order.ended:
                poll(shop, order)
        return all(order.ended for order in orders)

    eventually(all_ended, timeout=SETTLE_SECONDS, every=1)
    eventually(lambda: not set(depths(shop)) - set(before) - explained(shop, orders), timeout=SETTLE_SECONDS, every=1)

    assert len({order.number for order in orders}) == len(orders)
    for order in orders:
        poll(shop, order)
        outcome = "Failed" if order.payment_token == "tok_declined" else "Complete"
        assert order.shown[-1] == outcome, (order, shop.call("GET", f"/orders/v1/orders/{order.number}/status").text)
        # Never out of a terminal status.
        assert order.shown == sorted(order.shown, key=("Processing", outcome).index)
        charges = Counter(entry["status"] for entry in shop.ledger("charges", order.number))
        assert charges == ({"authorized": 1} if outcome == "Complete" else {"declined": 1}), order
        for ledger in ("platform-orders", "shipments"):
            assert len(shop.ledger(ledger, order.number)) == (outcome == "Complete"), (ledger, order)
    for event in disturbed.events:
        parse(event["detail"])


def explained(shop: Shop, orders: list[Order]) -> set[str]:
    """Dead-letter queues in which every message names an order of this run."""
    numbers, sqs, found = {order.number for order in orders}, shop.aws("sqs"), set()
    for name in depths(shop):
        if name.endswith(("-dlq", "-parked")):
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            bodies = [
                m["Body"]
                for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get(
                    "Messages", []
                )
            ]
            if bodies and all(any(number in body for number in numbers) for body in bodies):
                found.add(name)
    return found
