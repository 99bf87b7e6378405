"""Requests to feeds, parsed into commands."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from setpieces.errors import Refused
from setpieces.rest_api import Request

TYPES = ("product", "pricing", "sku")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class ShowFeed:
    """Names a feed."""

    type: str
    feed_id: str


def parse_feed_type(request: Request) -> str:
    """The type in the path. Raises ``Refused`` UNKNOWN_FEED_TYPE."""
    feed_type = request.path_parameters["type"]
    if feed_type not in TYPES:
        raise Refused("UNKNOWN_FEED_TYPE", f"There is no such feed; there are {', '.join(TYPES)}")
    return feed_type


def parse_show_feed(request: Request) -> ShowFeed:
    """Raises ``Refused``: UNKNOWN_FEED_TYPE; FEED_NOT_FOUND for what no feed has as its id."""
    feed_type, feed_id = parse_feed_type(request), request.path_parameters["feed_id"]
    if not _ID.fullmatch(feed_id):
        raise not_found()
    return ShowFeed(feed_type, feed_id)


def new_feed_id(feed_type: str, moment: datetime) -> str:
    return f"{feed_type}-{moment:%Y%m%dT%H%M%SZ}-{uuid4().hex[:12]}"


def upload_key(feed_type: str, feed_id: str, moment: datetime) -> str:
    """The key under which the feed is uploaded, in the folder of its day."""
    return f"{feed_type}/in/{moment:%Y/%m/%d}/{feed_id}.json"


def not_found() -> Refused:
    return Refused("FEED_NOT_FOUND", "There is no such feed")
