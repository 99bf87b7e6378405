"""Runs of feeds in the feeds table: one for each upload, replaced by newer uploads, UPDATING when all records are queued.

Two invocations can work on a run: events are delivered twice, and Lambda repeats an invocation whose last response was lost.
Each continues after the last stored segment, and each segment is stored once: the second invocation ends.
"""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from feeds.domain.feeds import TRANSFORMING, UPDATING, FeedRun, Upload, rfc3339
from feeds.domain.segments import Segment, parse_segments, summarize
from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed, Item
from setpieces.settings import setting

# What an earlier run has stored.
_RESULTS = (
    "received",
    "transformed",
    "rejected",
    "rejected_reasons",
    "error_keys",
    "unreadable",
    "concluded_at",
    "outcomes",
)


@dataclass(frozen=True)
class Progress:
    """A run that is being transformed, and its segments so far."""

    run: FeedRun
    segments: list[Segment]

    @property
    def next_record(self) -> int:
        """The number of the first record after the last segment."""
        return self.segments[-1].end if self.segments else 0


def start(run: FeedRun, upload: Upload) -> Progress | None:
    """Start the run of an upload, or continue it. None if it is complete, or replaced by a newer upload."""
    now = _now()
    # Any number of digits: the shorter one is padded on its right before two are compared.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    sequencer = upload.sequencer.ljust(32, "0")
    try:
        item = dynamodb.update_if(
            setting("FEEDS_TABLE_NAME"),
            _key(run),
            set={
                "type": run.type,
                "feed_id": run.feed_id,
                "status": TRANSFORMING,
                "run": run.run,
                "sequencer": sequencer,
                "source_key": upload.key,
                "uploaded_at": upload.at,
                "etag": upload.etag,
                "size": upload.size,
                "stretches": {},
                "updated_at": now,
                "open": "1",
                "look_at": now,
                "purge_at": run.purge_at,
            },
            set_once={"created_at": now},
            remove=_RESULTS,
            # Sequencers order the uploads of one key. The folder of another day is another key: then times do.
            condition="attribute_not_exists(#run) OR (source_key = :key AND sequencer < :sequencer)"
            " OR (source_key <> :key AND (attribute_not_exists(uploaded_at) OR uploaded_at <= :at))",
            values={":key": upload.key, ":sequencer": sequencer, ":at": upload.at},
        )
    except ConditionFailed as failed:
        item = failed.item or {}
        is_same_upload = (item["source_key"], item["sequencer"]) == (upload.key, sequencer)
        if not is_same_upload or item["status"] != TRANSFORMING:
            return None
    return _to_progress(run, item)


def resume(run: FeedRun) -> Progress | None:
    """Continue a run. None if it is complete, or replaced by a newer upload."""
    try:
        item = dynamodb.update_if(
            setting("FEEDS_TABLE_NAME"),
            _key(run),
            set={"updated_at": _now()},
            condition="#run = :run AND #status = :transforming",
            values={":run": run.run, ":transforming": TRANSFORMING},
        )
    except ConditionFailed:
        return None
    return _to_progress(run, item)


def add_segment(progress: Progress, segment: Segment) -> bool:
    """Store the next segment, and with the last one the sums of the feed.

    False if another invocation has stored that segment, or a newer upload has replaced the run.
    """
    run, first = progress.run, str(segment.first)
    changes: dict[dynamodb.Path, Any] = {("stretches", first): asdict(segment), "updated_at": _now()}
    if segment.done:
        changes["status"] = UPDATING
        changes.update(summarize([*progress.segments, segment]).items())
    try:
        dynamodb.update_if(
            setting("FEEDS_TABLE_NAME"),
            _key(run),
            set=changes,
            condition="#run = :run AND #status = :transforming AND attribute_not_exists(stretches.#first)",
            values={":run": run.run, ":transforming": TRANSFORMING, "#first": first},
        )
    except ConditionFailed as failed:
        # The SDK repeats a call whose answer was lost, and finds what the first attempt stored.
        item = failed.item or {}
        return item.get("run") == run.run and item["stretches"].get(first) == asdict(segment)
    return True


def _to_progress(run: FeedRun, item: Item) -> Progress:
    # The run keeps the id that it was started with.
    return Progress(replace(run, run=item["run"]), parse_segments(item["stretches"]))


def _key(run: FeedRun) -> Item:
    return {"feed": f"{run.type}/{run.feed_id}"}


def _now() -> str:
    return rfc3339(datetime.now(UTC))
