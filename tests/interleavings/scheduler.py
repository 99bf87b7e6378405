"""Runs the sides of a race one call at a time, in the order of a schedule, and generates all schedules.

A side is a function with its own thread. Only one of them runs at a time, until it is about to make a call that the schedule
names, or ends. So a run depends only on its schedule.
"""

import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.faults import Fault


@dataclass(frozen=True, order=True)
class Moment:
    """Right before call number ``call`` of ``side``, from 0."""

    side: str
    call: int


@dataclass(frozen=True)
class Schedule:
    """``first`` begins; at each moment of ``switches`` another side continues; the call at each moment of ``faults`` fails."""

    first: str
    switches: tuple[tuple[Moment, str], ...] = ()
    faults: tuple[tuple[Moment, Fault], ...] = ()

    def smaller(self) -> Iterator["Schedule"]:
        """Copies without one of its switches or faults."""
        for position in range(len(self.faults)):
            yield replace(self, faults=self.faults[:position] + self.faults[position + 1 :])
        for position in range(len(self.switches)):
            yield replace(self, switches=self.switches[:position] + self.switches[position + 1 :])


@dataclass(frozen=True)
class SwitchPoint:
    """A moment of a run, and the other sides that could have continued there."""

    moment: Moment
    other_sides: tuple[str, ...]
    over_http: bool


@dataclass
class Step:
    """A line of the trace: a call of a side and its outcome."""

    side: str
    call: str
    outcome: str = ""

    def __str__(self) -> str:
        return f"{self.side:>12}  {self.call}" + (f"  -> {self.outcome}" if self.outcome else "")


class _Side:
    def __init__(self, name: str) -> None:
        self.name = name
        self.calls = 0
        self.done = False
        self.turn = threading.Semaphore(0)


class Run:
    """One run of ``sides`` by ``schedule``. ``changed`` is called with the name of the side that continues."""

    def __init__(
        self,
        sides: Mapping[str, Callable[[], Any]],
        schedule: Schedule,
        changed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.schedule = schedule
        self.steps: list[Step] = []
        self.switch_points: list[SwitchPoint] = []
        self.results: dict[str, Any] = {}
        self.errors: dict[str, BaseException] = {}
        self._sides = {name: _Side(name) for name in sides}
        self._functions = sides
        self._switches, self._faults = dict(schedule.switches), dict(schedule.faults)
        self._waiting: list[_Side] = []
        self._threads: dict[int, _Side] = {}
        self._over = threading.Semaphore(0)
        self._changed = changed

    def go(self) -> "Run":
        """Run all sides to their ends."""
        order = [self._sides[self.schedule.first], *(s for s in self._sides.values() if s.name != self.schedule.first)]
        # The last of these continues next: an interrupted side takes precedence over one that has not begun.
        self._waiting = order[:0:-1]
        threads = [threading.Thread(target=self._begin, args=(side,), daemon=True) for side in order]
        for thread in threads:
            thread.start()
        self._give_to(order[0])
        self._over.acquire()
        return self

    def reach_call(self, call: str, over_http: bool) -> tuple[Step, Fault | None]:
        """Wait before a call of a side until the schedule lets it continue. Returns its step and its fault, if any."""
        side = self._threads[threading.get_ident()]
        moment = Moment(side.name, side.calls)
        side.calls += 1
        other_sides = tuple(other.name for other in self._waiting)
        self.switch_points.append(SwitchPoint(moment, other_sides, over_http))
        if self._switches.get(moment) in other_sides:
            next_side = self._sides[self._switches[moment]]
            self._waiting.remove(next_side)
            self._waiting.append(side)
            self._give_to(next_side)
            side.turn.acquire()
        step = Step(side.name, call)
        self.steps.append(step)
        return step, self._faults.get(moment)

    def is_side(self) -> bool:
        """True on the thread of a side. Functions start further threads for parallel work of an invocation."""
        return threading.get_ident() in self._threads

    def _begin(self, side: _Side) -> None:
        self._threads[threading.get_ident()] = side
        side.turn.acquire()
        try:
            self.results[side.name] = self._functions[side.name]()
        except BaseException as error:
            self.errors[side.name] = error
        side.done = True
        if self._waiting:
            self._give_to(self._waiting.pop())
        else:
            self._over.release()

    def _give_to(self, side: _Side) -> None:
        self._changed(side.name)
        side.turn.release()


@dataclass(frozen=True)
class Bounds:
    """The number of switches and of faults up to which all schedules run; and how many schedules with one fault and one switch
    (``mixed``) and how many ``random`` ones with more of both.
    """

    switches: int = 2
    faults: int = 1
    mixed: int = 40
    random: int = 20
    seed: int = 1


Try = Callable[[Schedule], Run]


def explore(sides: tuple[str, ...], faults: tuple[Fault, ...], bounds: Bounds, attempt: Try) -> int:
    """Run ``attempt`` with every schedule within ``bounds`` and return their number. Raises what ``attempt`` raises."""
    count = 0
    open_: list[Schedule] = [Schedule(side) for side in sides]
    mixed: list[Schedule] = []
    alone: dict[str, Run] = {}
    while open_:
        schedule = open_.pop(0)
        run = attempt(schedule)
        count += 1
        if not schedule.switches and not schedule.faults:
            alone[schedule.first] = run
        for extended in _extended(schedule, run, faults, bounds, len(sides)):
            (mixed if extended.switches and extended.faults else open_).append(extended)
    chance = random.Random(bounds.seed)
    for schedule in chance.sample(mixed, min(len(mixed), bounds.mixed)):
        attempt(schedule)
        count += 1
    for _ in range(bounds.random):
        attempt(_random(chance, alone[chance.choice(sides)], sides, faults))
        count += 1
    return count


def _extended(schedule: Schedule, run: Run, faults: tuple[Fault, ...], bounds: Bounds, sides: int) -> list[Schedule]:
    """The schedules with one more switch or fault, at a later moment, than ``schedule``."""
    positions = {point.moment: position for position, point in enumerate(run.switch_points)}
    moments = [moment for moment, _ in (*schedule.switches, *schedule.faults)]
    if any(moment not in positions for moment in moments):
        return []
    last_position = max((positions[moment] for moment in moments), default=-1)
    last_is_switch = any(positions[moment] == last_position for moment, _ in schedule.switches)
    schedules = []
    for position, point in enumerate(run.switch_points):
        # Before its first call one of two sides has done nothing: a switch there equals to begin with the other.
        room = bounds.switches if not schedule.faults else 1
        if len(schedule.switches) < room and position > last_position and (point.moment.call or sides > 2):
            schedules += [
                replace(schedule, switches=(*schedule.switches, (point.moment, other))) for other in point.other_sides
            ]
        room = bounds.faults if len(schedule.switches) < 2 else 0
        if len(schedule.faults) < room and (position > last_position or (position == last_position and last_is_switch)):
            schedules += [
                replace(schedule, faults=(*schedule.faults, (point.moment, fault)))
                for fault in _possible_faults(point, faults)
            ]
    return schedules


def _possible_faults(point: SwitchPoint, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """An external system is called once, so a lost response is a failure."""
    return tuple(fault for fault in faults if not (point.over_http and fault is Fault.LOST))


def _random(chance: random.Random, run: Run, sides: tuple[str, ...], faults: tuple[Fault, ...]) -> Schedule:
    """Three to six switches and at most two faults, at moments of ``run`` and a few after its end."""
    moments = [point.moment for point in run.switch_points]
    moments += [Moment(side, sum(m.side == side for m in moments) + more) for side in sides for more in range(3)]
    switch_moments = sorted(chance.sample(moments, min(len(moments), chance.randint(3, 6))))
    switches = (
        tuple((m, chance.choice([s for s in sides if s != m.side])) for m in switch_moments) if len(sides) > 1 else ()
    )
    fault_moments = chance.sample(moments, min(len(moments), chance.randint(0, 2))) if faults else []
    return Schedule(run.schedule.first, switches, tuple((m, chance.choice(faults)) for m in fault_moments))


def shrink(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    """The smallest part of ``schedule`` that still fails."""
    for smaller in schedule.smaller():
        if fails(smaller):
            return shrink(smaller, fails)
    return schedule


@dataclass
class Explored:
    """Counts of a scenario's runs, for the summary of a session."""

    scenario: str
    schedules: int = 0
    calls: int = 0
    seconds: float = 0.0
    ends: int = 0
