"""Errors that every layer may raise and handle, without transport; imports nothing.

``rest_api`` turns them into problem+json with an HTTP status, ``sqs_consumer`` into dead letters and retries.
"""

# What our own callers are advised to wait, in seconds: if the external system gave no advice, and at most.
RETRY_SECONDS = 2
MAX_RETRY_SECONDS = 60


class Refused(Exception):
    """The request cannot be carried out, and the caller can act on it; nothing was changed.

    ``code`` is stable and machine-readable (``INSUFFICIENT_STOCK``); ``pointer`` is the JSON pointer (RFC 6901) of the field
    that is wrong, None if it is not about one field; ``retry_after`` is in whole seconds.
    """

    def __init__(
        self, code: str, detail: str = "", pointer: str | None = None, *, retry_after: int | None = None
    ) -> None:
        super().__init__(f"{code} {detail}".strip())
        self.code = code
        self.detail = detail
        self.pointer = pointer
        self.retry_after = retry_after

    @property
    def errors(self) -> list[dict[str, str]]:
        """[{pointer, message}] of the fields that are wrong."""
        return [] if self.pointer is None else [{"pointer": self.pointer, "message": self.detail}]


class RetryLater(Exception):
    """The same request or message may succeed in ``seconds``: something it needs is slow, down or not there yet."""

    def __init__(self, seconds: int, detail: str = "", code: str = "SERVICE_UNAVAILABLE") -> None:
        super().__init__(detail)
        self.seconds = seconds
        self.detail = detail
        self.code = code


class PermanentFailure(Exception):
    """A message that no retry can help; ``reason`` is a stable code such as ``UNKNOWN_EVENT``.

    ``detail`` is for people who read the dead letter: it says where the message is wrong, and never repeats its values.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class ExternalUnavailable(Exception):
    """An external system gave no usable answer in time: a time-out, a refused connection, a 429 or a 5xx.

    ``timed_out`` tells that the request may have been carried out although no answer came; ``retry_after`` (seconds) is
    the system's own advice where it gave any.
    """

    def __init__(self, system: str, reason: str, *, timed_out: bool = False, retry_after: int | None = None) -> None:
        super().__init__(f"{system}: {reason}")
        self.system = system
        self.timed_out = timed_out
        self.retry_after = retry_after

    @property
    def retry_seconds(self) -> int:
        """Seconds that our own callers are advised to wait: the system's own advice within bounds."""
        return min(self.retry_after or RETRY_SECONDS, MAX_RETRY_SECONDS)
