"""Transforms a feed segment by segment, each in an invocation of its own."""

from collections.abc import Callable
from typing import Any

from feeds.clients.uploads import UploadReplaced, UploadStream
from feeds.domain.reader import read_records
from feeds.domain.segments import Segment
from feeds.events import invoke_continuation
from feeds.repository import runs
from feeds.requests.uploads import TransformFeed
from feeds.workflow.segments import transform_segment
from setpieces.observability import logger, metrics


def transform_feed(command: TransformFeed, function_name: str, has_time: Callable[[], bool]) -> dict[str, Any]:
    """Transform the next segment of a feed, and invoke ``function_name`` for the records after it.

    Returns {feed_id, type, run, first?, end?, done?}: without ``first`` if the run is complete or replaced, without ``end`` and
    ``done`` if no segment was stored. Raises ``NotSent`` and errors of AWS.
    """
    run, upload = command.run, command.upload
    result: dict[str, Any] = {"feed_id": run.feed_id, "type": run.type, "run": run.run}
    progress = runs.resume(run) if command.is_continuation else runs.start(run, upload)
    if not progress:
        logger.info("run is complete or replaced", extra=result)
        return result
    run = progress.run
    result |= {"run": run.run, "first": progress.next_record}
    try:
        segment = transform_segment(run, read_records(UploadStream(upload)), progress.next_record, has_time)
    except UploadReplaced:
        logger.info("upload was replaced while it was read", extra=result)
        return result
    if not runs.add_segment(progress, segment):
        logger.info("segment is stored by another invocation, or run is replaced", extra=result)
        return result
    if not segment.done:
        invoke_continuation(function_name, run, upload, segment.end)
    result |= {"end": segment.end, "done": segment.done}
    _publish_counts(run.type, segment)
    logger.info("segment transformed", extra=result | {"rejected": segment.rejected})
    return result


def _publish_counts(feed_type: str, segment: Segment) -> None:
    metrics.add_dimension(name="feed", value=feed_type)
    metrics.add_metric(name="Transformed", unit="Count", value=segment.end - segment.first - segment.rejected)
    metrics.add_metric(name="RejectedRecords", unit="Count", value=segment.rejected)
