"""Outcomes of records: what the commerce platform's result means for a record, and how many records have which outcome."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from setpieces.backoff import backoff_seconds

# In their precedence: a record with several outcomes counts as the first of them. One that failed and was then redriven is
# updated, and one that was updated and then delivered again is not unchanged.
UPDATED, UNCHANGED, STALE, FAILED = OUTCOMES = ("updated", "unchanged", "stale", "failed")
# With waits that grow from 2 s to 5 minutes the platform can be down, or a product be missing, for forty minutes.
MAX_RECEIVES = 15
DEPENDENCY_MISSING, PLATFORM_UNAVAILABLE = "DEPENDENCY_MISSING", "PLATFORM_UNAVAILABLE"
_TRANSIENT = {408, 425, 429}

# {updated, unchanged, stale, failed, reasons: {REASON: n}}
Counts = dict[str, Any]


@dataclass(frozen=True)
class Processed:
    """The platform has the record, in this version or a newer one; ``outcome`` is one of ``OUTCOMES``."""

    outcome: str


@dataclass(frozen=True)
class Failed:
    """No retry can help, or all are used up: the record goes to the dead-letter queue."""

    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Deferred:
    """The record is delivered again in ``seconds``."""

    seconds: int
    detail: str = ""


Result = Processed | Failed | Deferred


def evaluate_result(result: dict[str, Any], receive_count: int) -> Result:
    """What the platform's result for one record, {status, effect?, code?, detail?, retry_after?}, means on this delivery."""
    status, code = result.get("status"), str(result.get("code", ""))
    if status in (200, 201):
        return Processed(UPDATED if result.get("effect") else UNCHANGED)
    if (status, code) == (409, "STALE_VERSION"):
        return Processed(STALE)
    if status == 404:
        # A price may arrive before its product.
        return retry_or_fail(DEPENDENCY_MISSING, receive_count)
    if not isinstance(status, int) or status in _TRANSIENT or status == 409 or status >= 500:
        advice = result.get("retry_after")
        # One malformed result must not fail the whole batch.
        return retry_or_fail(PLATFORM_UNAVAILABLE, receive_count, advice if isinstance(advice, int) else 0)
    return Failed(code or f"HTTP_{status}", str(result.get("detail", "")))


def retry_or_fail(reason: str, receive_count: int, retry_after: int = 0) -> Deferred | Failed:
    """Defer a record with growing waits of at least ``retry_after`` seconds; failed after ``MAX_RECEIVES`` deliveries."""
    if receive_count >= MAX_RECEIVES:
        return Failed(reason, f"after {receive_count} deliveries")
    return Deferred(max(backoff_seconds(receive_count), retry_after), reason)


def failed_outcome(reason: str) -> str:
    """The outcome of a record that failed for ``reason``."""
    return f"{FAILED}:{reason}"


def no_counts() -> Counts:
    """The counts of a feed without outcomes."""
    return dict.fromkeys(OUTCOMES, 0) | {"reasons": {}}


def count_outcomes(chunks: Iterable[Mapping[str, Any]]) -> Counts:
    """Count records by outcome, each once. A chunk has sets of record numbers by outcome: {"failed:<REASON>": {1, 2}}."""
    counts = no_counts()
    for chunk in chunks:
        counted: set[int] = set()
        # Records with outcomes that a newer version has stored are pending for this one.
        for outcome in sorted((name for name in chunk if _kind(name) in OUTCOMES), key=_precedence):
            new = chunk[outcome] - counted
            counted |= new
            kind, _, reason = outcome.partition(":")
            counts[kind] += len(new)
            if reason and new:
                counts["reasons"][reason] = counts["reasons"].get(reason, 0) + len(new)
    return counts


def _kind(outcome: str) -> str:
    return outcome.partition(":")[0]


def _precedence(outcome: str) -> tuple[int, str]:
    return OUTCOMES.index(_kind(outcome)), outcome
