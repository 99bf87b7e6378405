"""Transforms one segment of a feed: valid records go to the queue, rejected ones to the error file."""

from collections.abc import Callable, Iterator
from typing import Any

from feeds.clients.error_file import ErrorFile
from feeds.clients.records_queue import RecordSender
from feeds.domain.feeds import FeedRun, error_file_key
from feeds.domain.records import validate_record
from feeds.domain.rejections import Rejection, UnreadableFeed
from feeds.domain.segments import Segment
from feeds.events import record_message
from setpieces.observability import logger

# In one segment: its error file has to fit on the disk, and a feed with more is probably one of another type.
MAX_REJECTED = 1_000_000


def transform_segment(
    run: FeedRun, records: Iterator[dict[str, Any] | Rejection], first: int, has_time: Callable[[], bool]
) -> Segment:
    """Transform the records from number ``first`` on while there is time, at least one.

    ``records`` begins at the first record of the feed: those before ``first`` are read and skipped. ``UnreadableFeed`` ends the
    segment, and is its ``unreadable``. Raises ``UploadReplaced``, ``NotSent`` and errors of AWS; then messages may
    be on the queue, and the error file in the bucket.
    """
    number, done, unreadable = 0, True, ""
    with RecordSender() as sender, ErrorFile() as errors:
        try:
            for record in records:
                # Checked at every record: the bytes between two of them may take seconds to read.
                if number and not has_time():
                    if number <= first:
                        raise UnreadableFeed(
                            "FEED_TOO_LARGE", f"reading up to record {first} takes longer than an invocation"
                        )
                    done = False
                    break
                if number >= first:
                    _transform_record(run, number, record, sender, errors)
                number += 1
        except UnreadableFeed as error:
            logger.warning("feed is unreadable", extra={"feed_id": run.feed_id, "reason": error.reason})
            number, unreadable = max(first, number), str(error)
        errors.key = error_file_key(run, first, number)
    return Segment(first, number, errors.count, errors.reasons, errors.key if errors.count else "", done, unreadable)


def _transform_record(
    run: FeedRun, number: int, record: dict[str, Any] | Rejection, sender: RecordSender, errors: ErrorFile
) -> None:
    """Queue a record, or add it to the error file if it is invalid. Raises ``UnreadableFeed`` TOO_MANY_REJECTED."""
    result = record if isinstance(record, Rejection) else validate_record(run.type, record)
    if not isinstance(result, Rejection):
        sender.add(record_message(run, number, result))
        return
    if errors.count == MAX_REJECTED:
        raise UnreadableFeed("TOO_MANY_REJECTED", f"more than {MAX_REJECTED} records")
    errors.add(number, result)
