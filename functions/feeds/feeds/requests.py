"""What may be asked of feeds. Pure."""

import re
from datetime import datetime
from uuid import uuid4

from setpieces.problems import Problem

TYPES = ("product", "pricing", "sku")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def feed_type(parameter: str) -> str:
    """Raises ``Problem`` 404 for what is no type of feed."""
    if parameter not in TYPES:
        raise Problem(404, "UNKNOWN_FEED_TYPE", f"There is no such feed; there are {', '.join(TYPES)}")
    return parameter


def feed_id(parameter: str) -> str:
    """Raises ``Problem`` 404 for what no feed can have as its id."""
    if not _ID.fullmatch(parameter):
        raise not_found()
    return parameter


def new_feed_id(feed_type: str, moment: datetime) -> str:
    return f"{feed_type}-{moment:%Y%m%dT%H%M%SZ}-{uuid4().hex[:12]}"


def upload_key(feed_type: str, feed_id: str, moment: datetime) -> str:
    """Where the feed is put: the folder of its day."""
    return f"{feed_type}/in/{moment:%Y/%m/%d}/{feed_id}.json"


def not_found() -> Problem:
    return Problem(404, "FEED_NOT_FOUND", "There is no such feed")
