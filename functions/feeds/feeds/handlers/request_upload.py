"""POST /v1/feeds/{type}: a new feed and the link to put it with."""

from datetime import timedelta

from feeds.clients.links import UPLOAD_SECONDS, upload
from feeds.repository.runs import AWAITING_UPLOAD, expect, now, stamp
from feeds.requests import new_feed_id, parse_feed_type, upload_key
from setpieces.rest_api import Request, Response, rest_handler

KEPT = timedelta(days=90)


@rest_handler
def handler(request: Request) -> Response:
    feed_type, moment = parse_feed_type(request), now()
    feed_id = new_feed_id(feed_type, moment)
    expect(feed_type, feed_id, request.authorizer["principalId"], int((moment + KEPT).timestamp()))
    link = {
        "url": upload(upload_key(feed_type, feed_id, moment)),
        "method": "PUT",
        "headers": {},
        "expires_at": stamp(moment + timedelta(seconds=UPLOAD_SECONDS)),
    }
    location = f"{request.path.removesuffix('/')}/{feed_id}"
    body = {"feed_id": feed_id, "type": feed_type, "status": AWAITING_UPLOAD, "upload": link}
    return Response(202, body, {"Location": location})
