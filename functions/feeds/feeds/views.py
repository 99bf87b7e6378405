"""Bodies of the API's responses."""

from datetime import datetime
from typing import Any

from feeds.domain.feeds import AWAITING_UPLOAD, rfc3339


def upload_view(feed_type: str, feed_id: str, url: str, expires_at: datetime) -> dict[str, Any]:
    """A feed that waits for its upload to ``url``."""
    link = {"url": url, "method": "PUT", "headers": {}, "expires_at": rfc3339(expires_at)}
    return {"feed_id": feed_id, "type": feed_type, "status": AWAITING_UPLOAD, "upload": link}


def feed_view(manifest: dict[str, Any], error_file_urls: dict[str, str]) -> dict[str, Any]:
    """A manifest, with the URLs of its error files by their keys."""
    return manifest | {"errors": [{"key": key, "url": url} for key, url in error_file_urls.items()]}
