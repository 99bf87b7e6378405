"""Requests to the API of feeds, parsed into commands."""

from dataclasses import dataclass

from feeds.domain.feeds import TYPES, feed_not_found, is_feed_id
from setpieces.errors import Refused
from setpieces.rest_api import Request


@dataclass(frozen=True)
class RequestUpload:
    """Create a feed for an upload; ``requested_by`` is the id of the principal."""

    type: str
    requested_by: str


@dataclass(frozen=True)
class ShowFeed:
    """Show a feed."""

    type: str
    feed_id: str


def parse_request_upload(request: Request) -> RequestUpload:
    """Raises ``Refused`` UNKNOWN_FEED_TYPE."""
    return RequestUpload(_feed_type(request), request.authorizer["principalId"])


def parse_show_feed(request: Request) -> ShowFeed:
    """Raises ``Refused`` UNKNOWN_FEED_TYPE; FEED_NOT_FOUND for an id that no feed can have."""
    feed_type, feed_id = _feed_type(request), request.path_parameters["feed_id"]
    if not is_feed_id(feed_id):
        raise feed_not_found()
    return ShowFeed(feed_type, feed_id)


def _feed_type(request: Request) -> str:
    feed_type = request.path_parameters["type"]
    if feed_type not in TYPES:
        raise Refused("UNKNOWN_FEED_TYPE", f"There is no such feed; there are {', '.join(TYPES)}")
    return feed_type
