"""POST /v1/feeds/{type}: create a feed, with a link for its upload."""

from datetime import UTC, datetime, timedelta

from feeds.clients import links
from feeds.domain.feeds import new_feed_id, upload_key
from feeds.repository import feeds
from feeds.requests.feeds import parse_request_upload
from feeds.views import upload_view
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    command = parse_request_upload(request)
    now = datetime.now(UTC)
    feed_id = new_feed_id(command.type, now)
    feeds.create(command.type, feed_id, command.requested_by, now)
    url = links.upload_link(upload_key(command.type, feed_id, now))
    body = upload_view(command.type, feed_id, url, now + timedelta(seconds=links.UPLOAD_SECONDS))
    return Response(202, body, {"Location": f"{request.path.removesuffix('/')}/{feed_id}"})
