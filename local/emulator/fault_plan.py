"""Plans of faults: which AWS calls of deployed roles fail, and how. Pure: ``local.emulator.faults`` applies them.

A caller is a function, or an API or another role that AWS assumes; an operation is what it calls ("dynamodb:PutItem"). Each
pair of them fails once in a plan, with one of its kinds, chosen by the seed. A plan without kinds only records calls.

A function that is retried three times cannot recover from four faults. So a caller meets at most ``most`` faults in one turn,
with at least ``calm`` seconds between two. ``after`` lets up to so many calls of a pair succeed first, a number chosen by the
seed. If there are ``pairs``, [caller, operation] each, only those fail.

A fault applies to all attempts of one call of an SDK, so that the function receives the error. Kinds that end in ``-once``
apply only to the first attempt, so that the SDK's retry finds the result of the first.
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Pair = tuple[str, str]

# (status, code) with which a service throttles; others return ThrottlingException.
_THROTTLED = {
    "dynamodb": (400, "ProvisionedThroughputExceededException"),
    "firehose": (503, "ServiceUnavailableException"),
    "lambda": (429, "TooManyRequestsException"),
    "s3": (503, "SlowDown"),
    "ses": (429, "TooManyRequestsException"),
    "sns": (429, "Throttled"),
    "sqs": (400, "RequestThrottled"),
    "sts": (400, "Throttling"),
}
_BROKEN = {"s3": (500, "InternalError"), "dynamodb": (500, "InternalServerError")}


@dataclass(frozen=True)
class Call:
    """One request of an SDK. All attempts of one call have the same ``invocation``."""

    caller: str
    operation: str
    invocation: str

    @property
    def pair(self) -> Pair:
        return self.caller, self.operation

    @property
    def service(self) -> str:
        return self.operation.partition(":")[0]


@dataclass(frozen=True)
class Kind:
    """The effect on a call: ``applied`` is True if it is carried out; ``response`` returns its (status, code), or None."""

    applied: bool
    response: Callable[[str], tuple[int, str] | None]
    once: bool = False


_WHOLE = {
    "throttle": Kind(False, lambda service: _THROTTLED.get(service, (400, "ThrottlingException"))),
    "server-error": Kind(False, lambda service: _BROKEN.get(service, (500, "InternalFailure"))),
    "time-out": Kind(False, lambda service: None),
    "lost-response": Kind(True, lambda service: _BROKEN.get(service, (500, "InternalFailure"))),
}
KINDS = _WHOLE | {f"{name}-once": Kind(kind.applied, kind.response, once=True) for name, kind in _WHOLE.items()}


@dataclass
class Plan:
    """The calls that fail, and a record of calls and faults. ``decide`` is called for each attempt."""

    seed: int = 0
    kinds: tuple[str, ...] = ()
    pairs: frozenset[Pair] | None = None
    after: int = 0
    calm: float = 0
    most: int = 1000
    clock: Callable[[], float] = time.monotonic
    injected: list[dict[str, Any]] = field(default_factory=list)
    _calls: dict[Pair, int] = field(default_factory=dict)
    _hit: dict[Pair, dict[str, Any]] = field(default_factory=dict)
    _invocations: dict[str, str] = field(default_factory=dict)
    # The times of the faults of this turn, by caller.
    _disturbed: dict[str, list[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Plan":
        """Parse a plan. Raises ``ValueError`` for unknown kinds."""
        kinds = tuple(document.get("kinds", ()))
        if unknown := set(kinds) - KINDS.keys():
            raise ValueError(f"unknown kinds of faults: {sorted(unknown)}; known kinds: {sorted(KINDS)}")
        pairs = document.get("pairs")
        return cls(
            seed=int(document.get("seed", 0)),
            kinds=kinds,
            pairs=None if pairs is None else frozenset((str(caller), str(operation)) for caller, operation in pairs),
            after=int(document.get("after", 0)),
            calm=float(document.get("calm", 0)),
            most=int(document.get("most", cls.most)),
        )

    def next_turn(self) -> None:
        with self._lock:
            self._disturbed.clear()

    def decide(self, call: Call) -> str | None:
        """The kind of fault for this attempt; None if it succeeds."""
        with self._lock:
            current = self._invocations.get(call.invocation)
            if current:
                self._hit[call.pair]["attempts"] += 1
                return None if KINDS[current].once else current
            self._calls[call.pair] = self._calls.get(call.pair, 0) + 1
            if not self._is_due(call.pair):
                return None
            kind = random.Random(f"{self.seed}/{call.caller}/{call.operation}").choice(self.kinds)
            self._hit[call.pair] = {
                "caller": call.caller,
                "operation": call.operation,
                "kind": kind,
                "at": time.time(),
                "attempts": 1,
            }
            self.injected.append(self._hit[call.pair])
            self._disturbed.setdefault(call.caller, []).append(self.clock())
            self._invocations[call.invocation] = kind
            return kind

    def _is_due(self, pair: Pair) -> bool:
        if not self.kinds or pair in self._hit or not (self.pairs is None or pair in self.pairs):
            return False
        times = self._disturbed.get(pair[0], [])
        if len(times) >= self.most or (times and self.clock() - times[-1] < self.calm):
            return False
        return self._calls[pair] > random.Random(f"{self.seed}/after/{pair}").randint(0, self.after)

    def report(self) -> dict[str, Any]:
        with self._lock:
            return {
                "seed": self.seed,
                "kinds": list(self.kinds),
                "injected": [dict(each) for each in self.injected],
                "waiting": sorted(list(pair) for pair in self._calls.keys() - self._hit.keys()),
                "seen": sorted(list(pair) for pair in self._calls),
            }
