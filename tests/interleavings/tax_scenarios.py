"""The circuit of the tax system: opened, tried and closed by quotations at the same time."""

from collections.abc import Callable

from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Run
from tests.interleavings.state import START
from tests.interleavings.world import World

QUOTATION = {
    "order_number": "T1", "currency": "EUR", "ship_to": {"country": "DE", "postal_code": "10115"},
    "lines": [{"sku": "SP-1", "quantity": 1, "unit_price": 100}],
}  # fmt: skip


def circuit(failures: int, open_until: int, since_ms: int, down: bool) -> Callable[[World], None]:
    def set_up(world: World) -> None:
        world.put("tax.Table", {"id": "circuit", "failures": failures, "open_until": open_until, "since_ms": since_ms})
        world.facts["failures"] = failures
        if down:
            world.down.add("tax")

    return set_up


def old_failure(world: World) -> None:
    """A failure so long ago that the next one is the first in a row."""
    circuit(1, 0, 1000 * (START - 61), True)(world)
    world.facts["failures"] = 0


def quote(world: World) -> int:
    return int(world.request("tax", "POST", "/v1/quotations", QUOTATION).status)


def quotations_succeed(world: World, run: Run) -> str:
    faults = bool(run.schedule.faults)
    return "" if faults else "; ".join(f"{side}: {status}" for side, status in run.results.items() if status != 200)


def _calls(run: Run) -> int:
    return sum("POST partners/v1/tax/quotations" in step.call for step in run.steps)


def one_probe(world: World, run: Run) -> str:
    # Without the table every instance continues with the state that it read last.
    if world.facts["failures"] >= 5 and "tax" in world.down and _calls(run) > 1 and not run.schedule.faults:
        return f"the circuit is open, and {_calls(run)} probes were made"
    return ""


def failures_are_counted(world: World, run: Run) -> str:
    """Each failed call is counted, up to the number that opens the circuit, unless the table itself fails."""
    stored = next(item for item in world.items("tax.Table") if item["id"] == "circuit")
    expected = min(world.facts["failures"] + _calls(run), 5)
    if (
        not run.schedule.faults
        and "tax" in world.down
        and world.facts["failures"] < 5
        and stored["failures"] < expected
    ):
        return f"{_calls(run)} calls failed after {world.facts['failures']}, and {stored['failures']} are counted"
    return ""


INVARIANTS = (
    Invariant("tax", "Every request for a quotation gets one.", quotations_succeed),
    Invariant("tax", "While the circuit is open, one at a time tries the tax system.", one_probe),
    Invariant("tax", "Every failure in a row is counted.", failures_are_counted),
)
SCENARIOS = (
    Scenario("tax", "two failures at once, long after another", old_failure, {"one": quote, "other": quote}),
    Scenario("tax", "two find the circuit half open", circuit(5, 1, 1, True), {"one": quote, "other": quote}),
    Scenario(
        "tax",
        "two find the circuit half open, and the system works",
        circuit(5, 1, 1, False),
        {"one": quote, "other": quote},
    ),
    Scenario("tax", "two failures at once", circuit(1, 0, 1_800_000_000_000, True), {"one": quote, "other": quote}),
    Scenario(
        "tax",
        "a failure opens the circuit that a probe would close",
        circuit(4, 0, 1_800_000_000_000, True),
        {"one": quote, "other": quote},
    ),
)
