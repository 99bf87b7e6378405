"""Customers of a Black Friday, for locust: they browse, fill baskets, buy and wait for their orders.

``bench/black_friday.py`` runs this file with the settings in ``SETPIECES_LOAD``: {seed, phases, skus, journal, think_seconds,
check_outs}. Each response and each accepted order is a line of the journal. Each customer has their own random generator, so a
seed gives the same actions; how many of them are done in the time depends on the shop.
"""

import json
import os
import random
import time
import uuid
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, LoadTestShape, events, task

SETTINGS = json.loads(os.environ["SETPIECES_LOAD"])
PHASES = SETTINGS["phases"]
ADDRESS = {"name": "Ada Sample", "street": "Brick Lane 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}
# Statuses that a client retries with the same request; 0 is no response.
RETRIED = (0, 429, 500, 502, 503, 504)
TRIES = 8
# Maximum pause between two tries, whatever Retry-After says, and maximum number of polls of an order.
PAUSE_SECONDS = 5.0
POLLS = 30

_journal = Path(SETTINGS["journal"]).open("w", buffering=1)  # noqa: SIM115
_numbers = iter(range(1_000_000))


def note(kind: str, **facts: Any) -> None:
    _journal.write(json.dumps({"kind": kind, **facts}) + "\n")


class Phases(LoadTestShape):
    """The number of customers of the current phase; it changes at once."""

    def tick(self) -> tuple[int, float] | None:
        seconds_left = self.get_run_time()
        for phase in PHASES:
            if seconds_left < phase["seconds"]:
                return phase["users"], max(each["users"] for each in PHASES)
            seconds_left -= phase["seconds"]
        return None


class Customer(FastHttpUser):
    network_timeout = connection_timeout = 35.0

    def on_start(self) -> None:
        self.chance = random.Random(f"{SETTINGS['seed']}-{next(_numbers)}")
        self.basket = f"load-{uuid.uuid4()}"

    def wait_time(self) -> float:
        return SETTINGS["think_seconds"] * self.chance.uniform(0.5, 1.5)

    # --- tasks ---

    @task(6)
    def browse(self) -> None:
        sku = self.chance.choice(SETTINGS["skus"])
        if self.chance.random() < 0.3:
            self.request("GET", "/catalog/v1/products?query=sp-", "list products", 200)
        self.request("GET", f"/catalog/v1/products/{sku}", "show product", 200)

    @task(2)
    def view_pages(self) -> None:
        page = self.chance.choice(["/", "/products", f"/products/{self.chance.choice(SETTINGS['skus'])}"])
        self.request("GET", page, "page", 200)

    @task(3)
    def fill_basket(self) -> None:
        if self.add(self.chance.choice(SETTINGS["skus"])):
            self.request("GET", f"/basket/v1/baskets/{self.basket}", "show basket", 200)

    @task(SETTINGS["check_outs"])
    def check_out(self) -> None:
        if not self.add(SETTINGS["skus"][0]):
            return
        order = {"basket_id": self.basket, "customer_id": "guest", "payment_token": "tok_ok", "ship_to": ADDRESS}
        key = {"Idempotency-Key": uuid.uuid4().hex}
        answer = self.request("POST", "/orders/v1/orders", "place order", 202, json=order, headers=key)
        if answer is None:
            return
        number = answer.json()["order_number"]
        note("order", number=number, at=time.time())
        self.basket = f"load-{uuid.uuid4()}"
        for _ in range(POLLS):
            answer = self.request("GET", f"/orders/v1/orders/{number}/status", "poll status", 200)
            if answer is None or answer.json()["status"] != "Processing":
                return
            gevent.sleep(_advice(answer) or 1)

    def add(self, sku: str) -> bool:
        """Add one item. True if the response was expected; a basket that is full is."""
        key = {"Idempotency-Key": uuid.uuid4().hex}
        path = f"/basket/v1/baskets/{self.basket}/items"
        line = {"sku": sku, "quantity": 1}
        return self.request("POST", path, "add to basket", 200, 201, 409, 422, json=line, headers=key) is not None

    # --- requests with retries ---

    def request(self, method: str, path: str, name: str, *expected: int, **options: Any) -> Any:
        """The response if its status is one of ``expected``, else None. Retries while the shop sheds load."""
        for _ in range(TRIES):
            began = time.time()
            with self.client.request(method, path, name=name, catch_response=True, **options) as answer:
                status = answer.status_code
                if status in expected:
                    answer.success()
                else:
                    answer.failure(str(status))
            advice = _advice(answer)
            note(
                "answer",
                name=name,
                at=began,
                ms=(time.time() - began) * 1000,
                status=status,
                good=status in expected,
                advised=advice is not None,
                problem="" if status in expected else (answer.text or "")[:300],
            )
            if status in expected:
                return answer
            if status not in RETRIED:
                return None
            gevent.sleep(min(advice or 0.5, PAUSE_SECONDS) * self.chance.uniform(0.8, 1.2))
        note("gave up", name=name, at=time.time())
        return None


def _advice(answer: Any) -> float | None:
    """The seconds of Retry-After; None without the header."""
    retry_after = (answer.headers or {}).get("Retry-After") or ""
    return float(retry_after) if retry_after.isdigit() else None


@events.test_start.add_listener
def _open(**_: Any) -> None:
    note("began", at=time.time())


@events.quitting.add_listener
def _close(**_: Any) -> None:
    _journal.close()
