"""Feeds in the feeds table: created for an upload, listed until they are concluded. ``repository.runs`` stores their runs.

The index ``open`` has the feeds whose records are still counted, sorted by ``look_at``, the time of the next count.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NotRequired, TypedDict, cast

from feeds.domain.feeds import AWAITING_UPLOAD, RETENTION_SECONDS, rfc3339
from feeds.domain.outcomes import Counts
from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed
from setpieces.settings import setting


class StoredFeed(TypedDict):
    """The item of a feed. Times are in RFC 3339 but for ``purge_at`` (TTL, epoch seconds)."""

    # "<type>/<feed_id>"
    feed: str
    type: str
    feed_id: str
    status: str
    created_at: str
    updated_at: str
    purge_at: int
    requested_by: NotRequired[str]
    # Once it is uploaded.
    run: NotRequired[str]
    sequencer: NotRequired[str]
    source_key: NotRequired[str]
    uploaded_at: NotRequired[str]
    etag: NotRequired[str]
    size: NotRequired[int]
    # Segments by the numbers of their first records.
    stretches: NotRequired[dict[str, dict[str, Any]]]
    # "1" until it is concluded and no failed record can be redriven.
    open: NotRequired[str]
    look_at: NotRequired[str]
    # Once it is transformed.
    received: NotRequired[int]
    transformed: NotRequired[int]
    rejected: NotRequired[int]
    rejected_reasons: NotRequired[dict[str, int]]
    error_keys: NotRequired[list[str]]
    unreadable: NotRequired[str]
    # Once its records are counted, and once it is concluded.
    outcomes: NotRequired[Counts]
    concluded_at: NotRequired[str]


def create(feed_type: str, feed_id: str, requested_by: str, now: datetime) -> None:
    """Create a feed that waits for its upload. Raises ``ConditionFailed`` if the id is taken."""
    feed: StoredFeed = {
        "feed": f"{feed_type}/{feed_id}",
        "type": feed_type,
        "feed_id": feed_id,
        "status": AWAITING_UPLOAD,
        "requested_by": requested_by,
        "created_at": rfc3339(now),
        "updated_at": rfc3339(now),
        "purge_at": int(now.timestamp()) + RETENTION_SECONDS,
    }
    try:
        dynamodb.put_if(_table(), dict(feed), "attribute_not_exists(feed)")
    except ConditionFailed as failed:
        # The SDK repeats a call whose answer was lost, and finds what the first attempt stored.
        if failed.item != feed:
            raise


def load(feed_type: str, feed_id: str) -> StoredFeed | None:
    """The feed; None if there is none."""
    return cast(StoredFeed | None, dynamodb.get(_table(), {"feed": f"{feed_type}/{feed_id}"}))


def list_due(now: datetime) -> Iterator[StoredFeed]:
    """Feeds whose records have to be counted, longest due first."""
    values = {":open": "1", ":now": rfc3339(now)}
    for item in dynamodb.query(_table(), "#open = :open AND look_at <= :now", values, index="open"):
        feed = load(*item["feed"].split("/", 1))
        if feed:
            yield feed


def store_counts(feed: StoredFeed, counts: Counts) -> bool:
    """Store the counts of a run. False if the feed was uploaded or counted again since ``feed`` was read.

    Later counts are kept: a slow invocation has counted earlier than one that was started after it.
    """
    before = feed.get("outcomes")
    if before == counts:
        return True
    condition = "#run = :run AND " + ("outcomes = :before" if before else "attribute_not_exists(outcomes)")
    values = {":run": feed["run"]} | ({":before": before} if before else {})
    try:
        dynamodb.update_if(
            _table(), {"feed": feed["feed"]}, set={"outcomes": counts}, condition=condition, values=values
        )
    except ConditionFailed:
        return False
    return True


def conclude(feed: StoredFeed, counts: Counts, status: str, now: datetime, look_at: datetime | None) -> bool:
    """Store the final status of a run with these counts; ``look_at`` is when to count again, None for never.

    False if the feed was uploaded or counted again.
    """
    again = {"look_at": rfc3339(look_at)} if look_at else {"open": None}
    try:
        dynamodb.update_if(
            _table(),
            {"feed": feed["feed"]},
            set={"status": status, "updated_at": rfc3339(now), **again},
            set_once={"concluded_at": rfc3339(now)},
            condition="#run = :run AND outcomes = :outcomes",
            values={":run": feed["run"], ":outcomes": counts},
        )
    except ConditionFailed:
        return False
    return True


def _table() -> str:
    return setting("FEEDS_TABLE_NAME")
