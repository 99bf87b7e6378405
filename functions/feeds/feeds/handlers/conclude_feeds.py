"""Every minute: count the records of open feeds, and conclude feeds without pending records."""

from datetime import UTC, datetime
from typing import Any

from feeds.repository import feeds
from feeds.workflow.conclusion import conclude_feed
from setpieces.observability import metrics, observed


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """{"concluded": number of feeds}."""
    concluded = sum(conclude_feed(feed) for feed in feeds.list_due(datetime.now(UTC)))
    metrics.add_metric(name="ConcludedFeeds", unit="Count", value=concluded)
    return {"concluded": concluded}
