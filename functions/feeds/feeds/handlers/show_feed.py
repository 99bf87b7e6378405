"""GET /v1/feeds/{type}/{feed_id}: the manifest of a feed, with links to its error files."""

from feeds.clients.links import download
from feeds.domain.manifest import manifest, recent_count
from feeds.repository.runs import COMPLETE, FAILED, read
from feeds.requests import not_found, parse_show_feed
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    query = parse_show_feed(request)
    feed = read(query.type, query.feed_id)
    if feed is None:
        raise not_found()
    shown = manifest(feed, recent_count(feed))
    shown["errors"] = [{"key": key, "url": download(key)} for key in feed.get("error_keys", [])]
    headers = {} if shown["status"] in (COMPLETE, FAILED) else {"Retry-After": "2"}
    return Response(200, shown, headers)
