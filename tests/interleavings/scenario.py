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
    """``sentence`` holds after every run of every scenario of ``service``; ``check`` returns the problem, or ""."""

    service: str
    sentence: str
    check: Check


@dataclass(frozen=True)
class Scenario:
    """``sides`` race after ``set_up``; then ``afterwards`` runs subsequent automatic steps.

    ``needs`` are services whose tables, queues and rules take part, too. ``watch`` runs after each write.
    The clock is fixed during a run, so that equal end states are recognised, unless it ``ticks`` with each call.
    """

    service: str
    name: str
    set_up: Callable[[World], None]
    sides: Mapping[str, Callable[[World], Any]]
    afterwards: Callable[[World], None] = lambda world: None
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


def prepare(world: World, scenario: Scenario) -> bytes:
    """Set up a scenario. Returns a snapshot of the state before its sides run."""
    world.begin()
    world.watch, world.ticks = scenario.watch, scenario.ticks
    scenario.set_up(world)
    return world.snapshot()


def run_once(
    world: World,
    scenario: Scenario,
    snapshot: bytes,
    schedule: Schedule,
    invariants: tuple[Invariant, ...],
    checked_ends: set[str],
) -> Run:
    """Run the sides by ``schedule`` and check the invariants. Raises ``Failed``.

    ``checked_ends`` are the end states after which all invariants held.
    """
    world.restore(snapshot)
    run = world.interleave({name: partial(side, world) for name, side in scenario.sides.items()}, schedule)
    # The subsequent steps and the invariants depend only on these values.
    calls = sorted(step.call for step in run.steps if step.call[0].isupper())
    end = repr((world.fingerprint(), sorted(run.results.items()), run.errors, calls, bool(schedule.faults)))
    if end in checked_ends:
        return run
    scenario.afterwards(world)
    for invariant in invariants:
        problem = invariant.check(world, run)
        if problem:
            raise Failed(invariant, problem, schedule, run)
    checked_ends.add(end)
    return run


def examine(world: World, scenario: Scenario, invariants: tuple[Invariant, ...]) -> Explored | Broken:
    """Run every schedule of a scenario, until an invariant does not hold."""
    bounds = scenario.bounds
    if TORTURE:
        bounds = Bounds(bounds.switches + 1, bounds.faults, 1_000_000, 2000, SEED)
    explored = Explored(str(scenario))
    started = time.process_time()
    snapshot = prepare(world, scenario)
    checked_ends: set[str] = set()

    def attempt(schedule: Schedule) -> Run:
        run = run_once(world, scenario, snapshot, schedule, invariants, checked_ends)
        explored.calls += len(run.steps)
        return run

    try:
        explored.schedules = explore(tuple(scenario.sides), scenario.faults, bounds, attempt)
    except Failed as failed:
        return _shortest(world, scenario, snapshot, failed)
    explored.seconds = time.process_time() - started
    explored.ends = len(checked_ends)
    return explored


def _shortest(world: World, scenario: Scenario, snapshot: bytes, failed: Failed) -> Broken:
    only = (failed.invariant,)
    last = failed

    def fails(schedule: Schedule) -> bool:
        nonlocal last
        try:
            run_once(world, scenario, snapshot, schedule, only, set())
        except Failed as failure:
            last = failure
            return True
        return False

    schedule = shrink(failed.schedule, fails)
    fails(schedule)
    return Broken(scenario, failed.invariant.sentence, last.problem, schedule, last.run)
