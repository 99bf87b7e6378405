"""POST /v1/feeds/{type}: a new feed and the link to put it with."""

from datetime import timedelta

from feeds.clients.links import UPLOAD_SECONDS, upload
from feeds.repository.runs import AWAITING_UPLOAD, expect, now, stamp
from feeds.requests import feed_type, new_feed_id, upload_key
from setpieces.rest_api import Request, Response, rest_handler

KEPT = timedelta(days=90)


@rest_handler
def handler(request: Request) -> Response:
    kind, moment = feed_type(request.path_parameters["type"]), now()
    identifier = new_feed_id(kind, moment)
    expect(kind, identifier, request.authorizer["principalId"], int((moment + KEPT).timestamp()))
    link = {
        "url": upload(upload_key(kind, identifier, moment)),
        "method": "PUT",
        "headers": {},
        "expires_at": stamp(moment + timedelta(seconds=UPLOAD_SECONDS)),
    }
    location = f"{request.path.removesuffix('/')}/{identifier}"
    body = {"feed_id": identifier, "type": kind, "status": AWAITING_UPLOAD, "upload": link}
    return Response(202, body, {"Location": location})
