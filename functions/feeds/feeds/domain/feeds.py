"""Feeds, their uploads and runs: statuses, ids and keys in the bucket."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from uuid import uuid4

from setpieces.errors import Refused

TYPES = ("product", "pricing", "sku")
AWAITING_UPLOAD, TRANSFORMING, UPDATING = "AWAITING_UPLOAD", "TRANSFORMING", "UPDATING"
COMPLETE, FAILED = FINAL_STATUSES = ("COMPLETE", "FAILED")
RETENTION_SECONDS = 90 * 86_400
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Upload:
    """An uploaded object, from S3's event; ``etag`` without quotes, ``size`` in bytes.

    ``sequencer`` (hexadecimal) orders the uploads of one key; ``at`` is the time of the event (RFC 3339; "" if unknown).

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """

    bucket: str
    key: str
    etag: str
    size: int
    sequencer: str
    at: str = ""


@dataclass(frozen=True)
class FeedRun:
    """The processing of one upload; ``run`` is its id, ``purge_at`` (epoch seconds) when its items expire.

    A repeated run sends the same messages as before.
    """

    feed_id: str
    type: str
    run: str
    purge_at: int


def is_feed_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def new_feed_id(feed_type: str, now: datetime) -> str:
    """``<type>-<time>-<random>``."""
    return f"{feed_type}-{now:%Y%m%dT%H%M%SZ}-{uuid4().hex[:12]}"


def upload_key(feed_type: str, feed_id: str, now: datetime) -> str:
    """The key of a feed's upload, in the folder of its day."""
    return f"{feed_type}/in/{now:%Y/%m/%d}/{feed_id}.json"


def manifest_key(feed_type: str, feed_id: str) -> str:
    """The key of a feed's manifest."""
    return f"{feed_type}/results/{feed_id}.json"


def error_file_key(run: FeedRun, first: int, end: int) -> str:
    """The key of the error file of records from ``first`` up to, not including, ``end``.

    Two invocations that start at the same record may end at different ones: those are two files.
    """
    return f"{run.type}/errors/{run.feed_id}/{run.run}-{first:010d}-{end:010d}.ndjson.gz"


def feed_id_from_key(key: str) -> str:
    """The id of the feed uploaded as ``<type>/in/yyyy/mm/dd/<feed_id>[.json][.gz]``; a digest of ``key`` if
    that is not a valid id.
    """
    stem = re.sub(r"(\.(json|ndjson|jsonl))?(\.gz)?$", "", PurePosixPath(key).name)
    return stem if is_feed_id(stem) else hashlib.sha256(key.encode()).hexdigest()[:24]


def run_id(key: str, sequencer: str) -> str:
    """The id of the run for the upload under ``key`` with this sequencer.

    It does not depend on the content: the recorded outcomes of a run belong to one upload, and content that is uploaded again
    after other content has to be sent again. (The entity tag is no digest of the content if the object is encrypted by KMS.)
    """
    return hashlib.sha256(f"{key}/{sequencer}".encode()).hexdigest()[:24]


def rfc3339(moment: datetime) -> str:
    """RFC 3339 with milliseconds, which sorts by time."""
    return moment.isoformat(timespec="milliseconds")


def feed_not_found() -> Refused:
    return Refused("FEED_NOT_FOUND", "There is no such feed")
