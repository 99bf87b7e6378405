"""Events about uploads, parsed into commands."""

from dataclasses import dataclass
from typing import Any

from feeds.domain.feeds import RETENTION_SECONDS, FeedRun, Upload, feed_id_from_key, run_id
from setpieces.stored import from_stored


@dataclass(frozen=True)
class TransformFeed:
    """Transform the records of an upload; ``is_continuation`` if an earlier invocation has started the run."""

    run: FeedRun
    upload: Upload
    is_continuation: bool


def parse_transform_feed(event: dict[str, Any], feed_type: str, now: float) -> TransformFeed:
    """``event`` is S3's Object Created, or of a continuation {feed: a ``FeedRun``, uploaded: an ``Upload``, first}.

    ``now`` is in epoch seconds. Only an event of a continuation has ``first``; its value is not used.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    if "first" in event:
        return TransformFeed(
            from_stored(FeedRun, event["feed"]), from_stored(Upload, event["uploaded"]), is_continuation=True
        )
    bucket, item = event["detail"]["bucket"]["name"], event["detail"]["object"]
    upload = Upload(bucket, item["key"], item["etag"], item["size"], item["sequencer"], event["time"])
    run = FeedRun(
        feed_id_from_key(upload.key),
        feed_type,
        run_id(upload.key, upload.sequencer),
        purge_at=int(now) + RETENTION_SECONDS,
    )
    return TransformFeed(run, upload, is_continuation=False)
