"""Errors that several layers raise and handle; imports nothing."""

# What our own callers are advised to wait, in seconds: if the system gave no advice, and at most.
RETRY_SECONDS = 2
MAX_RETRY_SECONDS = 60


class OutsideUnavailable(Exception):
    """A system gave no usable answer in time: a time-out, a refused connection, a 429 or a 5xx.

    ``timed_out`` tells that the request may have been carried out although no answer came; ``retry_after`` (seconds) is
    the system's own advice where it gave any.
    """

    def __init__(self, system: str, reason: str, *, timed_out: bool = False, retry_after: int | None = None) -> None:
        super().__init__(f"{system}: {reason}")
        self.system = system
        self.timed_out = timed_out
        self.retry_after = retry_after

    @property
    def advice(self) -> int:
        """``Retry-After`` for our own callers: the system's own within bounds."""
        return min(self.retry_after or RETRY_SECONDS, MAX_RETRY_SECONDS)
