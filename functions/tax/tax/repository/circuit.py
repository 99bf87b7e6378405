"""A circuit breaker in front of the tax system: after failures in a row it is left alone, then one caller tries. Pure.

closed ──(THRESHOLD failures in a row, within WINDOW_SECONDS)──> open ──(cool-down)──> one probe ──success──> closed
                                                                  └────────────────failure────────┘
Times are in epoch seconds, ``since_ms`` in milliseconds, ``cool_down`` in seconds.
"""

from dataclasses import dataclass, replace
from enum import Enum

THRESHOLD = 5
WINDOW_SECONDS = 60


class Admission(Enum):
    """Whether a caller may ask the tax system."""

    CALL = "call it"
    PROBE = "call it if nobody else does: the answer decides for all"
    REFUSE = "leave it alone"


@dataclass(frozen=True)
class Circuit:
    """``failures`` in a row, until when the circuit is open if they are too many, and when the first of them was."""

    failures: int = 0
    open_until: int = 0
    since_ms: int = 0

    @property
    def is_open(self) -> bool:
        return self.failures >= THRESHOLD

    def admission(self, now: float) -> Admission:
        if not self.is_open:
            return Admission.CALL
        return Admission.REFUSE if now < self.open_until else Admission.PROBE

    def probed(self, now: float, cool_down: int) -> "Circuit":
        """While somebody tries, and if they never say how it went, the others wait for another cool-down."""
        return replace(self, open_until=int(now) + cool_down)

    def after_failure(self, admission: Admission, now: float, succeeded: float, cool_down: int) -> "Circuit":
        """The circuit after a call that was made on ``admission`` failed at ``now``.

        ``succeeded`` is when the caller last saw a call succeed. Successes are not written down, so instances do not see
        each other's; without it the failures of many instances would look like a row where each is one among successes.
        """
        if self.is_open:
            # A call from before it opened tells nothing new.
            return self.probed(now, cool_down) if admission is Admission.PROBE else self
        now_ms = int(now * 1000)
        in_a_row = self.since_ms >= max(int(succeeded * 1000), now_ms - WINDOW_SECONDS * 1000)
        failures, since_ms = (self.failures + 1, self.since_ms) if in_a_row else (1, now_ms)
        open_until = int(now) + cool_down if failures >= THRESHOLD else 0
        return Circuit(failures, open_until, since_ms)

    def after_success(self, admission: Admission) -> "Circuit":
        """The circuit after a call that was made on ``admission`` succeeded; a late answer does not close an open one."""
        return self if self.is_open and admission is not Admission.PROBE else Circuit()
