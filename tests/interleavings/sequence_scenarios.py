"""Sequences: numbers are taken and leased while counters are raised."""

from collections.abc import Callable
from typing import Any

from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Run
from tests.interleavings.world import World

LAST = 999_999_999_999


def counter(name: str, num: int) -> Callable[[World], None]:
    return lambda world: world.put("sequences.Table", {"id": name, "num": num})


def request_numbers(path: str, **body: Any) -> Callable[[World], Any]:
    def side(world: World) -> Any:
        response = world.request("sequences", "POST", f"/v1/sequences/{path}", body)
        if response.status != 200:
            return response.status, []
        first = response.body.get("value", response.body.get("first"))
        return 200, list(range(first, response.body.get("last", first) + 1))

    return side


def raise_to(name: str, floor: str) -> Callable[[World], Any]:
    return lambda world: (world.task("sequences", "RaiseSequence", "Raise", {"sequence": name, "num": floor}), [])


def numbers_are_unique(world: World, run: Run) -> str:
    numbers = [number for result in run.results.values() for number in result[1]]
    if len(numbers) != len(set(numbers)):
        return f"issued twice: {sorted(numbers)}"
    return f"beyond the last: {max(numbers)}" if numbers and max(numbers) > LAST else ""


def counters_only_rise(world: World, run: Run) -> str:
    refused = {result[0] for result in run.results.values()} - {True, False, 200, 404, 409}
    if refused and not run.schedule.faults:
        return f"answered {refused}"
    for item in world.items("sequences.Table"):
        if item["id"] not in ("order", "customer", "voucher"):
            return f"a counter that does not exist: {item['id']}"
        if item["num"] < world.facts.setdefault("floor", 0):
            return f"{item['id']} fell to {item['num']}"
        numbers = [number for result in run.results.values() for number in result[1]]
        if numbers and item["num"] < max(numbers):
            return f"{item['id']} stands at {item['num']}, and {max(numbers)} was issued"
    return ""


def counter_at(name: str, num: int) -> Callable[[World], None]:
    def set_up(world: World) -> None:
        counter(name, num)(world)
        world.facts["floor"] = num

    return set_up


INVARIANTS = (
    Invariant("sequences", "No number is issued twice, and none beyond the last.", numbers_are_unique),
    Invariant("sequences", "Counters exist or not, and only rise.", counters_only_rise),
)
SCENARIOS = (
    Scenario(
        "sequences",
        "two clients request the next number",
        counter_at("order", 100_000_000),
        {"one": request_numbers("order/next"), "other": request_numbers("order/next")},
    ),
    Scenario(
        "sequences",
        "two clients request the last number",
        counter_at("order", LAST - 1),
        {"one": request_numbers("order/next"), "other": request_numbers("order/next")},
    ),
    Scenario(
        "sequences",
        "a number of an unknown sequence",
        counter_at("order", 5),
        {"one": request_numbers("basket/next"), "other": request_numbers("order/next")},
    ),
    Scenario(
        "sequences",
        "two lease the last vouchers",
        counter_at("voucher", LAST - 15),
        {"one": request_numbers("voucher/lease", count=10), "other": request_numbers("voucher/lease", count=10)},
    ),
    Scenario(
        "sequences",
        "a lease before there is a counter",
        counter_at("order", 5),
        {"one": request_numbers("voucher/lease", count=10), "other": request_numbers("order/lease", count=1)},
    ),
    Scenario(
        "sequences",
        "two lease order numbers at the end",
        counter_at("order", LAST - 1),
        {"one": request_numbers("order/lease", count=1), "other": request_numbers("order/lease", count=1)},
    ),
    Scenario(
        "sequences",
        "a counter is raised to less than it is",
        counter_at("order", 100),
        {"raise": raise_to("order", "50"), "one": request_numbers("order/next")},
    ),
    Scenario(
        "sequences",
        "a counter is raised while numbers are taken",
        counter_at("order", 100),
        {
            "raise": raise_to("order", "101"),
            "one": request_numbers("order/next"),
            "other": request_numbers("order/next"),
        },
    ),
)
