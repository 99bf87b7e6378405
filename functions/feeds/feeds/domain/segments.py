"""Segments of a feed: consecutive records that one invocation has transformed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from setpieces.stored import from_stored


@dataclass(frozen=True)
class Segment:
    """The transformed records from ``first`` up to, not including, ``end``; ``done`` if it is the last one.

    ``rejected`` of them are in the error file ``error_key`` ("" if none), counted by ``reasons``. ``unreadable`` is why reading
    stopped before the end of the feed.
    """

    first: int
    end: int
    rejected: int
    reasons: dict[str, int]
    error_key: str
    done: bool
    unreadable: str = ""


def parse_segments(items: Mapping[str, dict[str, Any]]) -> list[Segment]:
    """Stored segments in order, from record 0 up to the first gap; ``items`` has them by the numbers of their first records."""
    segments: list[Segment] = []
    first = "0"
    while first in items:
        segments.append(from_stored(Segment, items[first]))
        first = "" if segments[-1].done else str(segments[-1].end)
    return segments


def summarize(segments: Sequence[Segment]) -> dict[str, Any]:
    """The sums of all segments of a feed, in their order:
    {received, transformed, rejected, rejected_reasons: {REASON: n}, error_keys, unreadable: text or None}.
    """
    rejected = sum(segment.rejected for segment in segments)
    reasons: Counter[str] = Counter()
    for segment in segments:
        reasons.update(segment.reasons)
    return {
        "received": segments[-1].end,
        "transformed": segments[-1].end - rejected,
        "rejected": rejected,
        "rejected_reasons": dict(reasons),
        "error_keys": [segment.error_key for segment in segments if segment.error_key],
        "unreadable": segments[-1].unreadable or None,
    }
