"""What happens at limits that cannot be met here: one hot DynamoDB key, a queue whose readers are limited, Lambda's ramp.

Each is repeatable by its seed. The unit tests hold them against what queueing theory says in closed form.
"""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass

STEP = 0.01


@dataclass(frozen=True)
class Counter:
    """How a counter under load did."""

    writes_a_second: float
    refused: float


def counter(rate: float, allowed: float, lease: int = 1, seconds: float = 60, tries: int = 3, seed: int = 1) -> Counter:
    """``wanted`` numbers a second, each ``lease`` of them one write to one item that takes ``allowed`` writes a second.

    A throttled write is tried again after 50 to 150 ms, then twice as late, and refused after ``tries``; the bucket holds one
    second's worth. What DynamoDB grants beyond that (unused capacity of up to five minutes) is no promise and left out.
    """
    chance = random.Random(seed)
    tokens, writes, refused, requested = 0.0, 0, 0, 0
    later: list[tuple[float, int]] = []
    arrivals = _poisson(rate / lease, chance)
    due = next(arrivals)
    now = 0.0
    while now < seconds:
        tokens = min(allowed, tokens + allowed * STEP)
        # A retry comes in a later step, so it is not among these.
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
    """``waits`` are (arrived, waited) of each message; ``drained`` is how long after the spike nothing waits any more."""

    waits: tuple[tuple[float, float], ...]
    deepest: int
    drained: float

    @property
    def oldest(self) -> float:
        return max((waited for _, waited in self.waits), default=0.0)

    def depth(self, at: float) -> int:
        """How many messages wait at a moment."""
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
        # After ``end`` nothing arrives any more; a queue that is empty then has not kept up.
        if empty < at <= end and depth == 0 and drained is None:
            drained = at - empty
    return Queue(tuple(waits), deepest, drained if drained is not None else float("inf"))


@dataclass(frozen=True)
class Ramp:
    """``refused`` is the share of the spike's requests; ``seconds`` until none is refused, infinite at the account's limit."""

    refused: float
    seconds: float


def ramp(usual: float, spike: float, each: float, a_second: float, account: float, length: float = 60) -> Ramp:
    """A step from ``usual`` to ``spike`` requests a second of ``each`` seconds, while instances grow by ``a_second``.

    A fluid: no request waits. Instances begin at what the usual load needs and end at ``account``.
    """
    needed = spike * each
    running, refused, settled, now = min(account, usual * each), 0.0, float("inf"), 0.0
    while now < length:
        served = min(needed, running)
        refused += (needed - served) * STEP
        if served >= needed and settled == float("inf"):
            settled = now
        running = min(account, running + a_second * STEP)
        now += STEP
    return Ramp(refused / (needed * length) if needed else 0.0, settled)


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
    """Arrivals until ``end``; a gap that crosses a change of the rate is drawn anew from there, as gaps have no memory."""
    now = 0.0
    for rate, until in ((usual, begin), (spike, begin + length), (usual, end)):
        while True:
            now += chance.expovariate(rate)
            if now >= until:
                now = until
                break
            yield now
