"""A circuit breaker in front of the tax system: failures in a row open it, then one caller probes the system. Pure.

closed ──(THRESHOLD failures in a row, within WINDOW_SECONDS)──> open ──(cool-down)──> one probe ──success──> closed
                                                                  └────────────────failure────────┘
Times are in epoch seconds, ``since_ms`` in milliseconds, ``cool_down`` in seconds.
"""

from dataclasses import dataclass, replace
from enum import Enum

THRESHOLD = 5
WINDOW_SECONDS = 60


class Admission(Enum):
    """Whether a caller may call the tax system."""

    CALL = "closed: call it"
    PROBE = "half-open: call it after claiming the probe, whose outcome counts for all"
    REFUSE = "open: do not call it"


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
        """The circuit during a probe: other callers wait for another cool-down, also if the probe never ends."""
        return replace(self, open_until=int(now) + cool_down)

    def after_failure(self, admission: Admission, now: float, succeeded: float, cool_down: int) -> "Circuit":
        """The circuit after a call that was made on ``admission`` failed at ``now``.

        ``succeeded`` is the time of the caller's last successful call. Successes are not stored, so instances do not see
        each other's; without it, single failures of many instances would count as failures in a row.
        """
        if self.is_open:
            # The call began before the circuit opened.
            return self.probed(now, cool_down) if admission is Admission.PROBE else self
        now_ms = int(now * 1000)
        in_a_row = self.since_ms >= max(int(succeeded * 1000), now_ms - WINDOW_SECONDS * 1000)
        failures, since_ms = (self.failures + 1, self.since_ms) if in_a_row else (1, now_ms)
        open_until = int(now) + cool_down if failures >= THRESHOLD else 0
        return Circuit(failures, open_until, since_ms)

    def after_success(self, admission: Admission) -> "Circuit":
        """The circuit after a call that was made on ``admission`` succeeded; a late success does not close an open one."""
        return self if self.is_open and admission is not Admission.PROBE else Circuit()
