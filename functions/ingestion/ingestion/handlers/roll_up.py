"""A processing function: number of events by type and hour. Each object is counted once, however often it is delivered."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from ingestion.domain.lines import received_hour
from ingestion.repository import counts, objects
from ingestion.requests import parse_event_object
from setpieces.observability import logger, metrics, observed


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """``event`` is {bucket, key, etag}. Returns {counted}."""
    event_object = parse_event_object(event)
    events = Counter((line["event"]["type"], received_hour(line)) for line in objects.read_events(event_object))
    counted = counts.add(event_object.identity, events, datetime.now(UTC))
    metrics.add_metric(name="EventsCounted", unit="Count", value=counted)
    logger.info("counted", extra=event_object.payload() | {"counted": counted})
    return {"counted": counted}
