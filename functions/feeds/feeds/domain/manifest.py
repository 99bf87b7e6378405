"""The manifest of a feed: how many of its records have which outcome.

{feed_id, type, status, received, transformed, rejected, updated, unchanged, stale, failed, pending, reasons: {REASON: n},
 source_key?, unreadable?, created_at, updated_at, concluded_at?}

received = transformed + rejected; transformed = updated + unchanged + stale + failed + pending
"""

from collections.abc import Mapping
from typing import Any

from feeds.domain.feeds import COMPLETE, FAILED, TRANSFORMING, UPDATING
from feeds.domain.outcomes import OUTCOMES, Counts

_PUBLIC = ("feed_id", "type", "status", "source_key", "unreadable", "created_at", "updated_at", "concluded_at")


def build_manifest(feed: Mapping[str, Any], counts: Counts) -> dict[str, Any]:
    """The manifest of a stored feed. Its status is final once no record is pending.

    While the feed is being transformed, ``received`` is the number of records read so far. A feed that is not uploaded yet has
    no numbers.
    """
    manifest = {name: feed[name] for name in _PUBLIC if feed.get(name) is not None}
    if "run" not in feed:
        return manifest
    received, rejected, reasons = _reading_progress(feed)
    outcomes = {name: counts[name] for name in OUTCOMES}
    pending = received - rejected - sum(outcomes.values())
    if manifest["status"] == UPDATING and not pending:
        manifest["status"] = FAILED if "unreadable" in manifest else COMPLETE
    return manifest | {
        "received": received,
        "transformed": received - rejected,
        "rejected": rejected,
        **outcomes,
        "pending": pending,
        "reasons": reasons | counts["reasons"],
    }


def has_faults(manifest: Mapping[str, Any]) -> bool:
    """True if the feed was not read to its end, or records were rejected or failed."""
    return bool(manifest["rejected"] or manifest["failed"] or "unreadable" in manifest)


def received_records(feed: Mapping[str, Any]) -> int:
    """The number of records read so far from a feed that has a run."""
    return _reading_progress(feed)[0]


def _reading_progress(feed: Mapping[str, Any]) -> tuple[int, int, dict[str, int]]:
    """(received, rejected, reasons)."""
    if feed["status"] != TRANSFORMING:
        return feed["received"], feed["rejected"], feed["rejected_reasons"]
    segments = feed["stretches"].values()
    received = max((segment["end"] for segment in segments), default=0)
    return received, sum(segment["rejected"] for segment in segments), {}
