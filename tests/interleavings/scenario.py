"""Scenarios and their execution: runs every schedule and checks every invariant of the service."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.faults import Fault
from tests.interleavings.scheduler import Bounds, Explored, Run, Schedule, explore, shrink
from tests.interleavings.world import World

Check = Callable[[World, Run], str]
TORTURE = bool(os.environ.get("SETPIECES_TORTURE"))
USUAL = Bounds()
SEED = int(os.environ.get("SETPIECES_SEED", "1"))


@dataclass(frozen=True)
class Invariant:
    """``sentence`` holds after every run of every scenario of ``service``; ``check`` says what is wrong, "" for nothing."""

    service: str
    sentence: str
    check: Check


@dataclass(frozen=True)
class Scenario:
    """``sides`` race after ``given``; then ``settle`` runs subsequent automatic steps.

    ``needs`` are services whose tables, queues and rules take part, too. ``watch`` looks after each write.
    The clock is fixed during a run, so that equal end states are recognised, unless it ``ticks`` with each call.
    """

    service: str
    name: str
    given: Callable[[World], None]
    sides: Mapping[str, Callable[[World], Any]]
    settle: Callable[[World], None] = lambda world: None
    faults: tuple[Fault, ...] = tuple(Fault)
    needs: tuple[str, ...] = ()
    bounds: Bounds = USUAL
    watch: Callable[[World], None] = lambda world: None
    ticks: bool = False

    def __str__(self) -> str:
        return f"{self.service}: {self.name}"


@dataclass(frozen=True)
class Broken:
    """An invariant that did not hold, and the shortest run that shows it."""

    scenario: Scenario
    sentence: str
    problem: str
    schedule: Schedule
    run: Run

    def __str__(self) -> str:
        lines = [f"{self.scenario}", f'Broken: "{self.sentence}"', f"        {self.problem}", ""]
        for number, step in enumerate(self.run.steps, start=1):
            lines.append(f"{number:3} {step}")
        lines += ["", f"{self.schedule}"]
        return "\n".join(lines)


class Failed(Exception):
    """A run after which an invariant does not hold."""

    def __init__(self, invariant: Invariant, problem: str, schedule: Schedule, run: Run) -> None:
        super().__init__(problem)
        self.invariant, self.problem, self.schedule, self.run = invariant, problem, schedule, run


def prepared(world: World, scenario: Scenario) -> bytes:
    """Set up a scenario. Returns a snapshot of the state before its sides run."""
    world.begin()
    world.watch, world.ticks = scenario.watch, scenario.ticks
    scenario.given(world)
    return world.keep()


def run_once(
    world: World,
    scenario: Scenario,
    snapshot: bytes,
    schedule: Schedule,
    invariants: tuple[Invariant, ...],
    seen: set[str],
) -> Run:
    """Raises ``Failed``. ``seen`` are ends of runs after which all invariants held."""
    world.back_to(snapshot)
    run = world.interleave({name: partial(side, world) for name, side in scenario.sides.items()}, schedule)
    # What follows, and what invariants look at, depends on nothing but this.
    calls = sorted(step.call for step in run.steps if step.call[0].isupper())
    ended = repr((world.fingerprint(), sorted(run.results.items()), run.errors, calls, bool(schedule.faults)))
    if ended in seen:
        return run
    scenario.settle(world)
    for invariant in invariants:
        problem = invariant.check(world, run)
        if problem:
            raise Failed(invariant, problem, schedule, run)
    seen.add(ended)
    return run


def examine(world: World, scenario: Scenario, invariants: tuple[Invariant, ...]) -> Explored | Broken:
    """Every schedule of a scenario, until an invariant does not hold."""
    bounds = scenario.bounds
    if TORTURE:
        bounds = Bounds(bounds.switches + 1, bounds.faults, 1_000_000, 2000, SEED)
    explored = Explored(str(scenario))
    started = time.process_time()
    snapshot = prepared(world, scenario)
    seen: set[str] = set()

    def attempt(schedule: Schedule) -> Run:
        run = run_once(world, scenario, snapshot, schedule, invariants, seen)
        explored.calls += len(run.steps)
        return run

    try:
        explored.schedules = explore(tuple(scenario.sides), scenario.faults, bounds, attempt)
    except Failed as failed:
        return _shortest(world, scenario, snapshot, failed)
    explored.seconds = time.process_time() - started
    explored.ends = len(seen)
    return explored


def _shortest(world: World, scenario: Scenario, snapshot: bytes, failed: Failed) -> Broken:
    only = (failed.invariant,)
    last = failed

    def fails(schedule: Schedule) -> bool:
        nonlocal last
        try:
            run_once(world, scenario, snapshot, schedule, only, set())
        except Failed as again:
            last = again
            return True
        return False

    schedule = shrink(failed.schedule, fails)
    fails(schedule)
    return Broken(scenario, failed.invariant.sentence, last.problem, schedule, last.run)
