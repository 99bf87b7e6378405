"""Every minute: records of open feeds are counted. Feeds whose records are all accounted for get their manifest in the store,
and are told about if need be.
"""

import json
from datetime import timedelta
from typing import Any

from feeds.domain.manifest import count, faults, manifest
from feeds.repository.runs import COMPLETE, FAILED, conclude, due, now, read, stamp, store_outcomes
from setpieces.aws import client
from setpieces.observability import logger, metrics, observed
from setpieces.settings import setting

# Records that were given up can be redriven as long as they lie on the dead-letter queue; the manifest follows.
LOOK_AGAIN = timedelta(hours=1)
REDRIVABLE = timedelta(days=14)


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """{"concluded": how many feeds}."""
    concluded = sum(_conclude(feed) for feed in due())
    metrics.add_metric(name="ConcludedFeeds", unit="Count", value=concluded)
    return {"concluded": concluded}


def _conclude(feed: dict[str, Any]) -> int:
    outcomes = count(feed)
    # Before the status: a reader of an ended feed has to see its last counts.
    if not store_outcomes(feed, outcomes):
        return 0
    shown = manifest(feed, outcomes)
    if shown["status"] not in (COMPLETE, FAILED):
        return 0
    first = "concluded_at" not in feed
    shown.setdefault("concluded_at", stamp(now()))
    key = f"{feed['type']}/results/{feed['feed_id']}.json"
    client("s3").put_object(
        Bucket=setting("BUCKET_NAME"),
        Key=key,
        Body=json.dumps(shown, indent=2).encode(),
        ContentType="application/json",
    )
    if first and (faults(shown) or "unreadable" in shown):
        # Told before it is entered: a crash in between tells it once more.
        client("sns").publish(
            TopicArn=setting("ALARM_TOPIC_ARN"),
            Subject=f"Feed with faults: {feed['feed_id']}"[:100],
            Message=json.dumps(shown, indent=2),
        )
    redrivable = shown["failed"] and stamp(now() - REDRIVABLE) < shown["concluded_at"]
    if not conclude(feed, outcomes, shown["status"], stamp(now() + LOOK_AGAIN) if redrivable else None):
        # Another invocation has counted later, and its manifest may have been written before this one.
        newer = read(feed["type"], feed["feed_id"])
        return _conclude(newer) if newer else 0
    told = {name: shown[name] for name in ("feed_id", "type", "received", "updated", "rejected", "failed")}
    logger.info("feed concluded", extra=told | {"status": shown["status"]})
    return int(first)
