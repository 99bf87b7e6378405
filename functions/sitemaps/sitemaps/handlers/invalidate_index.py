"""Invalidate: the CDN requests the index and robots.txt again; all other files have names of their own."""

from typing import Any

from setpieces import observability
from setpieces.observability import observed
from sitemaps.clients import cdn
from sitemaps.domain.files import INDEX, ROBOTS


@observed
def handler(event: dict[str, Any], context: Any) -> None:
    """{run_id} -> nothing. Again is the same invalidation."""
    observability.set_correlation_id(event["run_id"])
    cdn.invalidate([f"/{INDEX}", f"/{ROBOTS}"], event["run_id"])
