"""Growth of cost with the amount of work: time, AWS calls and peak memory at x1, x10, x100 and x1,000, in total and per item.

Target: the cost per item does not grow. Where clients, lines or orders grow instead of items, an item is a request. The
emulator counts the AWS calls of the shop's roles, without functions that the benchmark polls and without simulators. Pure work
runs in a process of its own, whose memory is measured.
"""

import os
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from bench.report import Verdict, report
from local import emulator_client
from local.cloud.memory import Memory
from local.emulator_client import resources
from model.settings import ROOT
from tools import feed_samples, feeds
from tools.client import Shop, new_basket_id, unique
from tools.drivers.customers import session_headers
from tools.drivers.vouchers import create_batch, wait_for_batch

TIMES = (1, 10, 100, 1_000)
SCALE = float(os.environ.get("SETPIECES_BENCH_SCALE", "1"))
# Allowed ratio of the cost per item at x1,000 to that at x10; x1 is dominated by fixed costs. Times vary on a shared machine.
FLAT = 1.5
NOT_COUNTED = ("lambda:", "sts:", "logs:", "xray:", "cloudwatch:")


@dataclass
class Point:
    """The cost of ``items``; ``calls`` and charged DynamoDB ``units`` are None for work that calls no AWS."""

    items: int
    seconds: float
    calls: float | None = None
    megabytes: int | None = None
    units: float | None = None

    def each(self) -> tuple[float, float | None]:
        return self.seconds / self.items, None if self.calls is None else self.calls / self.items


@dataclass(frozen=True)
class Curve:
    name: str
    unit: str
    sizes: tuple[int, ...]
    measure: Callable[["World", int], Point]
    note: str = ""


@dataclass
class World:
    shop: Shop = field(default_factory=Shop.from_environment)

    def __post_init__(self) -> None:
        self.admin = feeds.admin_session(self.shop)
        person = self.shop.samples["customer"]
        self.customer, self.session = person["customer_id"], session_headers(self.shop, person)
        items = self.shop.call("GET", "/catalog/v1/products?query=sp-").json()["items"]
        self.skus = [item["sku"] for item in items if item["available"]]
        # Nested stack and logical id of each role.
        self._roles = {
            one["physical_id"]: (one["stack"], one["logical_id"])
            for one in resources()
            if one["type"] == "AWS::IAM::Role"
        }

    @contextmanager
    def cost(self, items: int, *stacks: str, watchers: tuple[str, ...] = ()) -> Iterator[Point]:
        """The cost of the block: time, and calls of the roles of these nested stacks except ``watchers``."""
        calls, units = self._counts(stacks, watchers)
        began, point = time.perf_counter(), Point(items, 0)
        yield point
        point.seconds = time.perf_counter() - began
        calls_after, units_after = self._counts(stacks, watchers)
        point.calls, point.units = calls_after - calls, units_after - units

    def _counts(self, stacks: tuple[str, ...], watchers: tuple[str, ...]) -> tuple[float, float]:
        """(calls, DynamoDB units) since the emulator was first queried."""
        by_kind = emulator_client.request("GET", "/_setpieces/calls?by=role").raise_for_status().json()
        total: Counter[str] = Counter()
        for kind, by_role in by_kind.items():
            for role, counted in by_role.items():
                stack, name = self._roles.get(role, ("", ""))
                if any(f"-{nested}-" in stack for nested in stacks) and name not in watchers:
                    total[kind] += sum(count for what, count in counted.items() if not what.startswith(NOT_COUNTED))
        return total["calls"], total["units"]


# --- through the shop ---


def _vouchers(world: World, count: int) -> Point:
    functions = ("vouchers-create-batch", "vouchers-lease-range", "vouchers-generate-chunk", "vouchers-store-file")
    with (
        Memory(functions) as memory,
        world.cost(count, "Vouchers", "Sequences", watchers=("ShowBatchFunctionRole",)) as point,
    ):
        wait_for_batch(world.shop, world.admin, create_batch(world.shop, world.admin, count=count), timeout=900)
    point.megabytes = max(memory.peak.values(), default=0) or None
    return point


def _feeds(world: World, count: int) -> Point:
    records = feed_samples.records("product", count, series=unique("S").upper())
    content = feed_samples.as_json(records)
    functions = ("feed-pipeline-transform-feed", "feed-pipeline-update-platform")
    with (
        Memory(functions) as memory,
        world.cost(count, "ProductFeed", "Feeds", watchers=("ShowFeedFunctionRole",)) as point,
    ):
        feeds.complete_manifest(
            world.shop, world.admin, "product", feeds.upload(world.shop, world.admin, "product", content), timeout=900
        )
    point.megabytes = max(memory.peak.values(), default=0) or None
    return point


def _sequences(world: World, clients: int) -> Point:
    """Values requested by this number of concurrent clients; an item is a value."""
    values = max(300, 4 * clients)

    def request_value(_: int) -> int:
        answer = world.shop.call("POST", "/sequences/v1/sequences/order/next", sign=True)
        return int(answer.raise_for_status().json()["value"])

    with ThreadPoolExecutor(clients) as pool, world.cost(values, "Sequences") as point:
        issued = list(pool.map(request_value, range(values)))
    assert len(set(issued)) == values, "a value was issued twice"
    return point


def _basket(world: World, lines: int) -> Point:
    """Changes of one line in a basket with this number of lines; an item is a change."""
    basket, changes = new_basket_id("scaling"), 30
    path = f"/basket/v1/baskets/{basket}/items"
    for sku in world.skus[:lines]:
        world.shop.call("POST", path, json={"sku": sku, "quantity": 1}).raise_for_status()
    with world.cost(changes, "Basket") as point:
        for number in range(changes):
            world.shop.call("PATCH", f"{path}/{world.skus[0]}", json={"quantity": 1 + number % 2}).raise_for_status()
    return point


def _history(world: World, orders: int) -> Point:
    """Pages of the history of a customer with this number of orders; an item is a page."""
    table, owner, pages = world.shop.address("orders", "table-name"), world.customer, 20
    dynamodb, number = world.shop.aws("dynamodb"), random.randrange(10**8)
    keys = [{"order_number": {"S": f"T{900_000_000 + (number + n) % 10**8:09}"}} for n in range(orders)]
    more = {"history_of": owner, "backend_status": "Sent to fulfillment", "updated_at": "2026-01-01T00:00:00Z"}
    item = {name: {"S": text} for name, text in more.items()}
    item |= {"expires_at": {"N": str(int(time.time()) + 3600)}}
    _write(dynamodb, table, [{"PutRequest": {"Item": key | item}} for key in keys])
    try:
        with world.cost(pages, "Orders", "Login") as point:
            for _ in range(pages):
                answer = world.shop.call("GET", "/orders/v1/orders", headers=world.session).raise_for_status()
        assert len(answer.json()["items"]) >= min(orders, 20), answer.text
    finally:
        _write(dynamodb, table, [{"DeleteRequest": {"Key": key}} for key in keys])
    return point


def _write(dynamodb: Any, table: str, requests: list[Any]) -> None:
    for first in range(0, len(requests), 25):
        dynamodb.batch_write_item(RequestItems={table: requests[first : first + 25]})


# --- pure ---


def _apart(curve: str) -> Callable[[World, int], Point]:
    """Measure in a process of its own."""

    def measured(_: World, count: int) -> Point:
        command = [sys.executable, "-m", "bench.scaling", curve, str(count)]
        process = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        seconds, before, after = map(float, process.stdout.split())
        return Point(count, seconds, None, round(after - before))

    return measured


def _redirects(count: int) -> float:
    """Compile exact rules, and look up each once."""
    from redirects.domain.compiler import compile_rules

    rules = [
        {"id": f"r{n}", "match": "exact", "from": f"/old/section-{n % 97}/page-{n}", "to": f"/new/{n}"}
        for n in range(count)
    ]
    began = time.process_time()
    compiled = compile_rules({"rules": rules}, ["www.shop.example"], [])
    for number in range(count):
        assert compiled.decide("www.shop.example", f"/old/section-{number % 97}/page-{number}", ())
    return time.process_time() - began


def _sitemaps(count: int) -> float:
    """Write URLs into files, and check the files."""
    from sitemaps.domain.checks import find_problems
    from sitemaps.domain.files import Entry, build_files

    origin, began = "https://www.shop.example", time.process_time()
    entries = (Entry(f"/products/SP-{number:07}", "2026-01-02") for number in range(count))
    for file in build_files("pages-1", origin, entries):
        assert not find_problems(file.content, origin)
    return time.process_time() - began


def _peak() -> float:
    """Peak memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)


def sized(base: int, times: tuple[int, ...] = TIMES) -> tuple[int, ...]:
    return tuple(max(1, round(base * SCALE)) * factor for factor in times)


CURVES = (
    Curve("vouchers", "voucher of a batch", sized(100), _vouchers, "each batch has one workflow, one file, one mail"),
    Curve(
        "feed records",
        "record of a feed",
        sized(10),
        _feeds,
        "records are sent in batches by few workers",
    ),
    Curve(
        "redirect rules",
        "redirect rule, compiled and looked up once",
        sized(100),
        _apart("redirects"),
        "a rule takes a kilobyte",
    ),
    Curve(
        "sitemap URLs",
        "URL, written and checked",
        sized(100),
        _apart("sitemaps"),
        "a file, and so the memory, ends at 50,000",
    ),
    Curve("sequence clients", "value, by concurrent clients", (1, 10, 100), _sequences, "all clients share two cores"),
    Curve(
        "basket lines",
        "change, by lines in the basket",
        (1, 10, 25),
        _basket,
        "a basket is one item of DynamoDB",
    ),
    Curve("orders of a customer", "page, by orders of the customer", sized(1), _history, "a page has 20 orders"),
)


def run() -> None:
    names = os.environ.get("SETPIECES_BENCH_CURVES", "")
    curves = [curve for curve in CURVES if not names or curve.name in names.split(",")]
    world, rows, verdicts = World(), [], []
    # The emulator counts from the first query.
    emulator_client.request("GET", "/_setpieces/calls?by=role").raise_for_status()
    for curve in curves:
        try:
            curve.measure(world, curve.sizes[0])  # warm-up
            points = [curve.measure(world, size) for size in curve.sizes]
        except (httpx.HTTPError, AssertionError, subprocess.CalledProcessError) as error:
            # The other curves are still measured.
            verdicts.append(Verdict(f"Cost of a {curve.unit}", f"flat (≤ {FLAT} x)", "failed", False, str(error)[:200]))
            continue
        rows += [_row(curve, size, point) for size, point in zip(curve.sizes, points, strict=True)]
        verdicts.append(_verdict(curve, points))
    assert rows, [verdict.reason for verdict in verdicts]
    report("scaling", "Cost as work grows", rows, verdicts)


def _row(curve: Curve, size: int, point: Point) -> dict[str, Any]:
    seconds, calls = point.each()
    return {
        "curve": curve.name,
        "size": size,
        "times": size // curve.sizes[0],
        "seconds": round(point.seconds, 3),
        "ms per item": round(seconds * 1000, 4),
        "AWS calls": "-" if point.calls is None else round(point.calls),
        "calls per item": "-" if calls is None else round(calls, 4),
        "units per item": "-" if not point.units else round(point.units / point.items, 4),
        "peak MB": point.megabytes if point.megabytes is not None else "-",
    }


def _verdict(curve: Curve, points: list[Point]) -> Verdict:
    """The last point against the second; the first is dominated by fixed costs."""
    (before, calls_before), (after, calls_after) = points[1].each(), points[-1].each()
    time_grown = after / before
    calls_grown = (calls_after / calls_before) if calls_before and calls_after is not None else 1.0
    memory = [point.megabytes for point in points if point.megabytes is not None]
    changes = [f"time {time_grown:.2f} x", "no AWS call" if points[-1].calls is None else f"calls {calls_grown:.2f} x"]
    changes += [f"memory {memory[0]} → {memory[-1]} MB"] if memory else []
    met = time_grown <= FLAT and calls_grown <= FLAT
    return Verdict(
        f"Cost of a {curve.unit}: {curve.sizes[1]:,} → {curve.sizes[-1]:,}",
        f"flat (≤ {FLAT} x)",
        ", ".join(changes),
        met,
        curve.note,
    )


if __name__ == "__main__":
    work, size = {"redirects": _redirects, "sitemaps": _sitemaps}[sys.argv[1]], int(sys.argv[2])
    start = _peak()
    print(work(size), start, _peak())
