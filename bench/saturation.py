"""Simulations of limits that this machine cannot reach: a hot DynamoDB key, a queue with limited readers, Lambda's scaling.

The same seed gives the same result. Unit tests compare them with closed formulas of queueing theory.
"""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass

STEP = 0.01


@dataclass(frozen=True)
class Counter:
    """Results of a counter under load."""

    writes_a_second: float
    refused: float


def counter(rate: float, allowed: float, lease: int = 1, seconds: float = 60, tries: int = 3, seed: int = 1) -> Counter:
    """``rate`` numbers a second, ``lease`` of them by one write to an item that accepts ``allowed`` writes a second.

    A throttled write is retried after 50 to 150 ms, then after twice the time, and refused after ``tries``. The token bucket
    holds one second of writes; DynamoDB's burst capacity is not guaranteed and left out.
    """
    chance = random.Random(seed)
    tokens, writes, refused, requested = 0.0, 0, 0, 0
    later: list[tuple[float, int]] = []
    arrivals = _poisson(rate / lease, chance)
    due = next(arrivals)
    now = 0.0
    while now < seconds:
        tokens = min(allowed, tokens + allowed * STEP)
        # Retries happen in later steps.
        trying = []
        while due < now + STEP:
            requested += 1
            trying.append((due, 1))
            due = next(arrivals)
        while later and later[0][0] < now + STEP:
            trying.append(heapq.heappop(later))
        trying.sort()
        for at, attempt in trying:
            if tokens >= 1:
                tokens, writes = tokens - 1, writes + 1
            elif attempt == tries:
                refused += 1
            else:
                heapq.heappush(later, (at + chance.uniform(0.05, 0.15) * 2 ** (attempt - 1), attempt + 1))
        now += STEP
    return Counter(writes / seconds, refused / requested if requested else 0.0)


@dataclass(frozen=True)
class Queue:
    """``waits`` are (arrived, waited) of each message; ``drained`` is the time from the end of the spike to an empty queue."""

    waits: tuple[tuple[float, float], ...]
    deepest: int
    drained: float

    @property
    def oldest(self) -> float:
        return max((waited for _, waited in self.waits), default=0.0)

    def depth(self, at: float) -> int:
        """Number of messages that wait at ``at``."""
        return sum(arrived <= at < arrived + waited for arrived, waited in self.waits)


def queue(
    usual: float,
    spike: float,
    at_once: int,
    each: float,
    begin: float = 60,
    length: float = 60,
    end: float = 1800,
    seed: int = 1,
) -> Queue:
    """Messages at ``usual`` a second, at ``spike`` for ``length`` seconds from ``begin``, read ``at_once``, ``each`` seconds.

    Poisson arrivals, exponential service, first come first served: each message goes to the first free worker.
    """
    chance = random.Random(seed)
    free = [0.0] * at_once
    waits = []
    for arrived in _spiking(usual, spike, begin, length, end, chance):
        start = max(arrived, free[0])
        heapq.heapreplace(free, start + chance.expovariate(1 / each))
        waits.append((arrived, start - arrived))
    changes = sorted([(at, 1) for at, _ in waits] + [(at + waited, -1) for at, waited in waits])
    depth = deepest = 0
    empty = begin + length
    drained = None
    for at, change in changes:
        depth += change
        deepest = max(deepest, depth)
        # There are no arrivals after ``end``: a queue that is empty only then has not recovered.
        if empty < at <= end and depth == 0 and drained is None:
            drained = at - empty
    return Queue(tuple(waits), deepest, drained if drained is not None else float("inf"))


@dataclass(frozen=True)
class Ramp:
    """``refused`` is a share of the spike's requests; ``seconds`` until none is refused, infinite at the account's limit."""

    refused: float
    seconds: float


def ramp(usual: float, spike: float, each: float, a_second: float, account: float, length: float = 60) -> Ramp:
    """A step from ``usual`` to ``spike`` requests a second of ``each`` seconds, while instances grow by ``a_second``.

    A fluid model: no request waits. Instances start at the number for the usual load and grow to ``account`` at most.
    """
    needed = spike * each
    running, refused, recovered, now = min(account, usual * each), 0.0, float("inf"), 0.0
    while now < length:
        served = min(needed, running)
        refused += (needed - served) * STEP
        if served >= needed and recovered == float("inf"):
            recovered = now
        running = min(account, running + a_second * STEP)
        now += STEP
    return Ramp(refused / (needed * length) if needed else 0.0, recovered)


def erlang_c(rate: float, at_once: int, each: float) -> float:
    """The mean wait in a queue with Poisson arrivals and exponential service: Erlang's formula."""
    offered = rate * each
    blocked = 1.0
    for servers in range(1, at_once + 1):
        blocked = offered * blocked / (servers + offered * blocked)
    utilisation = offered / at_once
    waiting = blocked / (1 - utilisation * (1 - blocked))
    return waiting * each / (at_once - offered)


def _poisson(rate: float, chance: random.Random) -> Iterator[float]:
    now = 0.0
    while True:
        now += chance.expovariate(rate)
        yield now


def _spiking(
    usual: float, spike: float, begin: float, length: float, end: float, chance: random.Random
) -> Iterator[float]:
    """Arrivals until ``end``. Gaps are memoryless, so one that crosses a change of the rate is drawn again from there."""
    now = 0.0
    for rate, until in ((usual, begin), (spike, begin + length), (usual, end)):
        while True:
            now += chance.expovariate(rate)
            if now >= until:
                now = until
                break
            yield now
