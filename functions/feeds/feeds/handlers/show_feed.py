"""GET /v1/feeds/{type}/{feed_id}: the manifest of a feed, with links to its error files."""

from feeds.clients import links
from feeds.domain.feeds import FINAL_STATUSES, feed_not_found
from feeds.domain.manifest import build_manifest
from feeds.repository import feeds
from feeds.requests.feeds import parse_show_feed
from feeds.views import feed_view
from feeds.workflow.conclusion import recent_counts
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    command = parse_show_feed(request)
    feed = feeds.load(command.type, command.feed_id)
    if feed is None:
        raise feed_not_found()
    manifest = build_manifest(feed, recent_counts(feed))
    urls = {key: links.download_link(key) for key in feed.get("error_keys", [])}
    headers = {} if manifest["status"] in FINAL_STATUSES else {"Retry-After": "2"}
    return Response(200, feed_view(manifest, urls), headers)
