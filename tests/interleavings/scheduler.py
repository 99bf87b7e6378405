"""Several sides of a race, one call at a time, in the order that a schedule says; and every schedule there is.

A side is a function in a thread of its own, and only one of them runs: it goes on until it is about to make a call that the
schedule names, or ends. So a run depends on its schedule and on nothing else.
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
    """``first`` begins; at a moment of ``switches`` another side goes on; the call at a moment of ``faults`` meets with one."""

    first: str
    switches: tuple[tuple[Moment, str], ...] = ()
    faults: tuple[tuple[Moment, Fault], ...] = ()

    def smaller(self) -> Iterator["Schedule"]:
        """This one without one of its switches or faults."""
        for position in range(len(self.faults)):
            yield replace(self, faults=self.faults[:position] + self.faults[position + 1 :])
        for position in range(len(self.switches)):
            yield replace(self, switches=self.switches[:position] + self.switches[position + 1 :])


@dataclass(frozen=True)
class Reached:
    """A moment of a run, and the sides that could have gone on instead."""

    moment: Moment
    others: tuple[str, ...]
    over_http: bool


@dataclass
class Step:
    """A line of the trace: a call of a side and how it went."""

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
    """One run of ``sides`` by ``schedule``. ``changed`` hears which side goes on."""

    def __init__(
        self,
        sides: Mapping[str, Callable[[], Any]],
        schedule: Schedule,
        changed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.schedule = schedule
        self.steps: list[Step] = []
        self.reached: list[Reached] = []
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
        # The last of these goes on next: a side that was interrupted comes before one that has not begun.
        self._waiting = order[:0:-1]
        threads = [threading.Thread(target=self._begin, args=(side,), daemon=True) for side in order]
        for thread in threads:
            thread.start()
        self._give_to(order[0])
        self._over.acquire()
        return self

    def reach(self, call: str, over_http: bool) -> tuple[Step, Fault | None]:
        """A side is about to make a call: others may go on first. None from a thread that is no side's."""
        side = self._threads[threading.get_ident()]
        moment = Moment(side.name, side.calls)
        side.calls += 1
        others = tuple(other.name for other in self._waiting)
        self.reached.append(Reached(moment, others, over_http))
        if self._switches.get(moment) in others:
            next_side = self._sides[self._switches[moment]]
            self._waiting.remove(next_side)
            self._waiting.append(side)
            self._give_to(next_side)
            side.turn.acquire()
        step = Step(side.name, call)
        self.steps.append(step)
        return step, self._faults.get(moment)

    def is_side(self) -> bool:
        """Is this a side's own thread? Functions have others, for work that one invocation does at once."""
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
    """How far to look: every schedule with so many switches, every one with so many faults; of those with one fault and one
    switch so many, and so many random ones that have more of both.
    """

    switches: int = 2
    faults: int = 1
    mixed: int = 40
    random: int = 20
    seed: int = 1


Try = Callable[[Schedule], Run]


def explore(sides: tuple[str, ...], faults: tuple[Fault, ...], bounds: Bounds, attempt: Try) -> int:
    """Run ``attempt`` with every schedule within ``bounds``; how many there were. What ``attempt`` raises ends it."""
    ran = 0
    open_: list[Schedule] = [Schedule(side) for side in sides]
    mixed: list[Schedule] = []
    alone: dict[str, Run] = {}
    while open_:
        schedule = open_.pop(0)
        run = attempt(schedule)
        ran += 1
        if not schedule.switches and not schedule.faults:
            alone[schedule.first] = run
        for further in _further(schedule, run, faults, bounds, len(sides)):
            (mixed if further.switches and further.faults else open_).append(further)
    chance = random.Random(bounds.seed)
    for schedule in chance.sample(mixed, min(len(mixed), bounds.mixed)):
        attempt(schedule)
        ran += 1
    for _ in range(bounds.random):
        attempt(_random(chance, alone[chance.choice(sides)], sides, faults))
        ran += 1
    return ran


def _further(schedule: Schedule, run: Run, faults: tuple[Fault, ...], bounds: Bounds, sides: int) -> list[Schedule]:
    """The schedules with one more switch or fault than this one, later than those that it has."""
    places = {each.moment: position for position, each in enumerate(run.reached)}
    named = [moment for moment, _ in (*schedule.switches, *schedule.faults)]
    if any(moment not in places for moment in named):
        return []
    after = max((places[moment] for moment in named), default=-1)
    last_is_switch = any(places[moment] == after for moment, _ in schedule.switches)
    found = []
    for position, each in enumerate(run.reached):
        # Before its first call a side of two has done nothing: to switch there is to begin with the other.
        room = bounds.switches if not schedule.faults else 1
        if len(schedule.switches) < room and position > after and (each.moment.call or sides > 2):
            found += [replace(schedule, switches=(*schedule.switches, (each.moment, other))) for other in each.others]
        room = bounds.faults if len(schedule.switches) < 2 else 0
        if len(schedule.faults) < room and (position > after or (position == after and last_is_switch)):
            found += [replace(schedule, faults=(*schedule.faults, (each.moment, fault))) for fault in _of(each, faults)]
    return found


def _of(reached: Reached, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """An external system is called once, so a lost response is a failure."""
    return tuple(fault for fault in faults if not (reached.over_http and fault is Fault.LOST))


def _random(chance: random.Random, run: Run, sides: tuple[str, ...], faults: tuple[Fault, ...]) -> Schedule:
    """Three to six switches and at most two faults, anywhere in what ``run`` reached and somewhat beyond."""
    moments = [each.moment for each in run.reached]
    moments += [Moment(side, sum(m.side == side for m in moments) + more) for side in sides for more in range(3)]
    chosen = sorted(chance.sample(moments, min(len(moments), chance.randint(3, 6))))
    switches = tuple((m, chance.choice([s for s in sides if s != m.side])) for m in chosen) if len(sides) > 1 else ()
    struck = chance.sample(moments, min(len(moments), chance.randint(0, 2))) if faults else []
    return Schedule(run.schedule.first, switches, tuple((m, chance.choice(faults)) for m in struck))


def shrink(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    """A schedule with as few switches and faults as still fail."""
    for smaller in schedule.smaller():
        if fails(smaller):
            return shrink(smaller, fails)
    return schedule


@dataclass
class Explored:
    """What came of a scenario, for the summary of a session."""

    scenario: str
    schedules: int = 0
    calls: int = 0
    seconds: float = 0.0
    ends: int = 0
