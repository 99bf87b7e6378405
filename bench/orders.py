"""Orders: completed orders a second, AWS calls of an order, and a status poll without and with a function.

The poll with a function is deployed for the measurement (``bench/status_function.yaml``), with the same table, authorizer and
response. Polls alternate, so that other load affects both.
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.aws_calls import calls
from bench.report import Verdict, report
from bench.variant import variant
from model.settings import STAGE
from tools.client import Shop, eventually, new_basket_id, unique
from tools.drivers.products import sell

ORDERS = 100
CLIENTS = 16
POLLS = 300
TEMPLATE = Path(__file__).with_name("status_function.yaml")
ADDRESS = {"name": "Ada Sample", "street": "Brick Lane 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}


def run() -> None:
    shop = Shop.from_environment()
    sku = sell(shop, "BENCH")["sku"]
    _, _, number = _throughput(shop, sku, 8)
    rate, operations, _ = _throughput(shop, sku, ORDERS)
    report(
        "orders",
        f"{ORDERS} orders of {CLIENTS} clients, until they are complete; simulators on the same machine",
        [rate],
    )
    report("order_calls", "AWS calls per complete order, simulators included", operations)
    addresses = {
        "Stage": STAGE,
        "CommonLayerArn": shop.address("foundation", "common-layer-arn"),
        "GuestAuthorizerArn": shop.address("login", "guest-authorizer-arn"),
        "TableName": shop.address("orders", "table-name"),
    }
    with variant(shop, TEMPLATE, addresses):
        rows = _polls(shop, number)
        verdict = Verdict(
            "A status poll without a function, against one with",
            "not slower, no invocation of its own",
            f"with a function {rows[1]['times codeless']:.2f} x as long",
            rows[1]["times codeless"] >= 1 and rows[0]["own Lambda invocations per poll"] == 0,
        )
        report("order_status", f"A status poll without and with a function, {POLLS} each, alternating", rows, [verdict])


def _throughput(shop: Shop, sku: str, count: int) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """(rates, calls by operation, number of one order)"""

    def fill_basket(_: int) -> str:
        basket = new_basket_id("bench")
        added = shop.call("POST", f"/basket/v1/baskets/{basket}/items", json={"sku": sku, "quantity": 1})
        assert added.status_code == 201, added.text
        return basket

    def place_order(basket: str) -> str:
        body = {"basket_id": basket, "customer_id": "guest", "payment_token": "tok_ok", "ship_to": ADDRESS}
        key = {"Idempotency-Key": unique("bench")}

        def number() -> str | None:
            return shop.call("POST", "/orders/v1/orders", json=body, headers=key).json().get("order_number")

        return eventually(number, timeout=180)

    with ThreadPoolExecutor(CLIENTS) as clients:
        baskets = list(clients.map(fill_basket, range(count)))
        before, polls, started = calls(), 0, time.perf_counter()
        numbers = list(clients.map(place_order, baskets))
    accepted = time.perf_counter() - started
    for number in numbers:
        polls += _wait(shop, number)
    seconds = time.perf_counter() - started
    counts = calls() - before
    counts["dynamodb:GetItem"] -= polls
    per_order = {name: counts[name] / count for name in counts if name.startswith(("dynamodb:", "sqs:", "events:"))}
    rows = [{"operation": name, "per order": each} for name, each in sorted(per_order.items()) if each >= 0.1]
    rows.append({"operation": "all", "per order": sum(per_order.values())})
    rate = {
        "orders": count,
        "accepted/s": count / accepted,
        "complete/s": count / seconds,
        "accepted : complete": seconds / accepted,
    }
    return rate, rows, numbers[0]


def _wait(shop: Shop, number: str) -> int:
    """Number of polls until the order is complete."""
    polls = 0

    def complete() -> bool:
        nonlocal polls
        polls += 1
        return shop.call("GET", f"/orders/v1/orders/{number}/status").json()["status"] == "Complete"

    eventually(complete, timeout=300)
    return polls


def _polls(shop: Shop, number: str) -> list[dict[str, Any]]:
    ways = {
        "codeless": lambda: shop.call("GET", f"/orders/v1/orders/{number}/status"),
        "function": lambda: shop.call("GET", f"/bench/v1/orders/{number}/status"),
    }
    first = {name: poll().json() for name, poll in ways.items()}
    assert first["codeless"] == first["function"], first
    durations: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(POLLS + 20):
        for name, poll in ways.items():
            started = time.perf_counter()
            assert poll().status_code == 200
            # The first 20 turns warm up.
            if turn >= 20:
                durations[name].append(time.perf_counter() - started)
    rates = {name: _rate(poll) for name, poll in ways.items()}
    least = statistics.median(durations["codeless"])
    return [
        {
            "way": name,
            "p50 ms": statistics.median(times) * 1000,
            "p95 ms": statistics.quantiles(times, n=20)[-1] * 1000,
            "times codeless": statistics.median(times) / least,
            f"polls/s, {CLIENTS} clients": round(rates[name]),
            # Without the guest authorizer, which both have.
            "own Lambda invocations per poll": _invocations(ways[name]) - 1,
        }
        for name, times in durations.items()
    ]


def _rate(poll: Callable[[], Any]) -> float:
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(lambda _: poll(), range(CLIENTS * 4)))
        started = time.perf_counter()
        list(clients.map(lambda _: poll(), range(POLLS)))
        return POLLS / (time.perf_counter() - started)


def _invocations(poll: Callable[[], Any]) -> int:
    before = calls()
    for _ in range(20):
        poll()
    counts = calls() - before
    return round(sum(count for name, count in counts.items() if name == "lambda:POST") / 20)
