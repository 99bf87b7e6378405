"""The lock of the sitemaps: runs that begin at the same time."""

import time
from collections.abc import Callable
from typing import Any

from tests import deployed
from tests.faults import Crash
from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Run
from tests.interleavings.world import World


def executions(*running: str) -> Callable[[World], None]:
    def set_up(world: World) -> None:
        for name in ("a", "b", "old"):
            world.executions[name] = {
                "status": "RUNNING" if name in running else "SUCCEEDED",
                "input": "",
                "name": name,
            }
        if "held" in running or "old" in running:
            world.put("sitemaps.Table", {"run_id": "LOCK", "execution": "old"})

    return set_up


def take_lock(name: str) -> Callable[[World], Any]:
    def side(world: World) -> str:
        from sitemaps.domain.runs import Busy
        from sitemaps.workflow.runs import acquire_lock

        with world.acting_as(deployed.function("sitemaps", "plan_pages")):
            try:
                acquire_lock(name, int(time.time()))
            except Busy:
                return "busy"
            except (Crash, Exception):
                return "failed"
        return "works"

    return side


def one_run_works(world: World, run: Run) -> str:
    working = [side for side, result in run.results.items() if result == "works"]
    if len(working) > 1:
        return f"{' and '.join(working)} work at the same time"
    holder = next((item["execution"] for item in world.items("sitemaps.Table") if item["run_id"] == "LOCK"), "")
    return f"{working[0]} works, and {holder or 'none'} holds the lock" if working and working != [holder] else ""


INVARIANTS = (Invariant("sitemaps", "One run works at a time, and holds the lock.", one_run_works),)
SCENARIOS = (
    Scenario("sitemaps", "two runs begin", executions("a", "b"), {"a": take_lock("a"), "b": take_lock("b")}),
    Scenario(
        "sitemaps",
        "two runs follow one that is over",
        executions("a", "b", "held"),
        {"a": take_lock("a"), "b": take_lock("b")},
    ),
    Scenario(
        "sitemaps",
        "a run begins while another works",
        executions("a", "b", "old"),
        {"a": take_lock("a"), "b": take_lock("b")},
    ),
)
