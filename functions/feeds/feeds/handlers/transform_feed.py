"""An uploaded feed: each record is checked and put on the queue, or entered in the error file.

Goes on in another invocation of itself when the time is up.
"""

import json
import time
from dataclasses import asdict
from typing import Any

from feeds.clients.source import Replaced, Stream, Uploaded
from feeds.domain.reader import records
from feeds.repository.progress import KEPT_SECONDS, begin, enter, resume
from feeds.workflow.transform import Feed, feed_id, run_id, transform
from setpieces import observability
from setpieces.aws import client
from setpieces.observability import logger, metrics, observed
from setpieces.settings import setting
from setpieces.stored import from_stored

# What has to be left for the messages under way, the error file and the table.
RESERVE_MS = 90_000


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """``event`` is S3's Object Created, or {feed, uploaded, first} of a run that goes on. Returns {feed_id, end?, done?}."""
    feed, uploaded, goes_on = _work(event)
    observability.set_correlation_id(feed.feed_id)
    told: dict[str, Any] = {"feed_id": feed.feed_id, "type": feed.type, "run": feed.run}
    progress = resume(feed) if goes_on else begin(feed, uploaded)
    if not progress:
        logger.info("nothing to do: done before, or replaced", extra=told)
        return told
    feed = progress.feed
    told |= {"run": feed.run, "first": progress.first}
    try:
        stretch = transform(
            feed, records(Stream(uploaded)), progress.first, lambda: context.get_remaining_time_in_millis() > RESERVE_MS
        )
    except Replaced:
        logger.info("replaced while it was read", extra=told)
        return told
    if not enter(progress, stretch):
        logger.info("another invocation was first, or the feed is replaced", extra=told)
        return told
    if not stretch.done:
        payload = {"feed": asdict(feed), "uploaded": asdict(uploaded), "first": stretch.end}
        client("lambda").invoke(
            FunctionName=context.function_name, InvocationType="Event", Payload=json.dumps(payload).encode()
        )
    metrics.add_dimension(name="feed", value=feed.type)
    metrics.add_metric(name="Transformed", unit="Count", value=stretch.end - stretch.first - stretch.rejected)
    metrics.add_metric(name="RejectedRecords", unit="Count", value=stretch.rejected)
    logger.info("transformed", extra=told | {"end": stretch.end, "rejected": stretch.rejected, "done": stretch.done})
    return told | {"end": stretch.end, "done": stretch.done}


def _work(event: dict[str, Any]) -> tuple[Feed, Uploaded, bool]:
    """The run, its upload, and whether it goes on."""
    if "first" in event:
        return from_stored(Feed, event["feed"]), from_stored(Uploaded, event["uploaded"]), True
    found, bucket = event["detail"]["object"], event["detail"]["bucket"]["name"]
    uploaded = Uploaded(bucket, found["key"], found["etag"], found["size"], found["sequencer"], event["time"])
    name = feed_id(uploaded.key)
    purge_at = int(time.time()) + KEPT_SECONDS
    return Feed(name, setting("FEED_TYPE"), run_id(uploaded.key, uploaded.sequencer), purge_at), uploaded, False
