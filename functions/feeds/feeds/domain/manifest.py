"""The manifest of a feed: every record of it accounted for.

{feed_id, type, status, received, transformed, rejected, updated, unchanged, stale, failed, pending, reasons: {REASON: n},
 source_key?, unreadable?, created_at, updated_at, concluded_at?}

received = transformed + rejected; transformed = updated + unchanged + stale + failed + pending
"""

from typing import Any

from feeds.repository.runs import COMPLETE, FAILED, TRANSFORMING, UPDATING
from setpieces import feed_accounts

_SHOWN = ("feed_id", "type", "status", "source_key", "unreadable", "created_at", "updated_at", "concluded_at")


# How many records are counted while a client waits: those of one BatchGetItem.
COUNTED_AT_ONCE = feed_accounts.CHUNK * 100
_NOTHING: dict[str, Any] = dict.fromkeys(feed_accounts.OUTCOMES, 0) | {"reasons": {}}


def count(feed: dict[str, Any]) -> dict[str, Any]:
    """The outcomes of all records so far, in time that grows with the feed: {updated, unchanged, stale, failed, reasons}."""
    return feed_accounts.count_outcomes(feed["run"], _read_so_far(feed)[0]) if "run" in feed else _NOTHING


def recent_count(feed: dict[str, Any]) -> dict[str, Any]:
    """The same in constant time: of a large feed what ``conclude_feeds`` counted last, at most some minutes ago."""
    small = "run" not in feed or _read_so_far(feed)[0] <= COUNTED_AT_ONCE
    return count(feed) if small else feed.get("outcomes", _NOTHING)


def manifest(feed: dict[str, Any], counted: dict[str, Any]) -> dict[str, Any]:
    """Of a feed with these outcomes. It has ended once nothing is pending; while it is transformed, ``received`` is what was
    read.
    """
    shown = {name: feed[name] for name in _SHOWN if feed.get(name) is not None}
    if "run" not in feed:
        return shown
    received, rejected, reasons = _read_so_far(feed)
    outcomes = {name: counted[name] for name in feed_accounts.OUTCOMES}
    pending = received - rejected - sum(outcomes.values())
    if shown["status"] == UPDATING and not pending:
        shown["status"] = FAILED if "unreadable" in shown else COMPLETE
    return shown | {
        "received": received,
        "transformed": received - rejected,
        "rejected": rejected,
        **outcomes,
        "pending": pending,
        "reasons": reasons | counted["reasons"],
    }


def faults(shown: dict[str, Any]) -> int:
    """How many records somebody should look at."""
    return int(shown["rejected"] + shown["failed"])


def _read_so_far(feed: dict[str, Any]) -> tuple[int, int, dict[str, int]]:
    """(received, rejected, reasons)."""
    if feed["status"] != TRANSFORMING:
        return feed["received"], feed["rejected"], feed["rejected_reasons"]
    stretches = feed["stretches"].values()
    return max((stretch["end"] for stretch in stretches), default=0), sum(s["rejected"] for s in stretches), {}
