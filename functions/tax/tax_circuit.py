"""A circuit breaker in front of the tax system: after failures in a row it is left alone, then one caller tries. Pure.

closed ──(THRESHOLD failures in a row)──> open ──(COOL_DOWN_SECONDS)──> one probe ──success──> closed
                                            └───────────────failure──────┘
"""

from dataclasses import dataclass
from enum import Enum

THRESHOLD = 5
COOL_DOWN_SECONDS = 20


class Admission(Enum):
    """Whether a caller may ask the tax system."""

    CALL = "call it"
    PROBE = "call it if nobody else does: the answer decides for all"
    REFUSE = "leave it alone"


@dataclass(frozen=True)
class Circuit:
    """``failures`` in a row, and until when (epoch seconds) the circuit is open if they are too many."""

    failures: int = 0
    open_until: int = 0

    def admission(self, now: float) -> Admission:
        if self.failures < THRESHOLD:
            return Admission.CALL
        return Admission.REFUSE if now < self.open_until else Admission.PROBE
