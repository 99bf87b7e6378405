"""Counts the outcomes of a feed's records, and concludes feeds whose records all have one."""

from datetime import UTC, datetime, timedelta

from feeds.clients.manifests import put_manifest
from feeds.domain.feeds import FINAL_STATUSES, rfc3339
from feeds.domain.manifest import build_manifest, has_faults, received_records
from feeds.domain.outcomes import Counts, no_counts
from feeds.events import publish_faults
from feeds.repository import feeds, record_outcomes
from feeds.repository.feeds import StoredFeed
from setpieces.observability import logger

# The records that one BatchGetItem counts.
MAX_COUNTED_IN_REQUEST = record_outcomes.CHUNK * 100
# Failed records can be redriven while their dead letters are kept; the manifest follows.
RECOUNT_AFTER = timedelta(hours=1)
DEAD_LETTER_RETENTION = timedelta(days=14)


def count_outcomes(feed: StoredFeed) -> Counts:
    """The counts of all records so far, in time that grows with the feed."""
    return record_outcomes.count(feed["run"], received_records(feed)) if "run" in feed else no_counts()


def recent_counts(feed: StoredFeed) -> Counts:
    """The counts of a feed in constant time: those of a large one are from the last ``conclude_feed``, some minutes old."""
    if "run" in feed and received_records(feed) > MAX_COUNTED_IN_REQUEST:
        return feed.get("outcomes", no_counts())
    return count_outcomes(feed)


def conclude_feed(feed: StoredFeed) -> bool:
    """Store the counts of a feed, and if no record is pending its final status and its manifest; publish its faults.

    True if this call concluded it first.
    """
    counts = count_outcomes(feed)
    # Before the status: the last counts have to be there for readers of a concluded feed.
    if not feeds.store_counts(feed, counts):
        return False
    manifest = build_manifest(feed, counts)
    if manifest["status"] not in FINAL_STATUSES:
        return False
    is_first = "concluded_at" not in feed
    now = datetime.now(UTC)
    manifest.setdefault("concluded_at", rfc3339(now))
    put_manifest(manifest)
    if is_first and has_faults(manifest):
        # Published before the status is stored: after a crash in between it is published again.
        publish_faults(manifest)
    can_redrive = manifest["failed"] and rfc3339(now - DEAD_LETTER_RETENTION) < manifest["concluded_at"]
    if not feeds.conclude(feed, counts, manifest["status"], now, now + RECOUNT_AFTER if can_redrive else None):
        # Another invocation has counted later, and its manifest may have been written before this one.
        newer = feeds.load(feed["type"], feed["feed_id"])
        return conclude_feed(newer) if newer else False
    members = ("feed_id", "type", "status", "received", "updated", "rejected", "failed")
    logger.info("feed concluded", extra={name: manifest[name] for name in members})
    return is_first
