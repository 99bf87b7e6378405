"""A processing function: events by type, date and hour (``analytics/type=.../date=.../hour=...``)."""

from typing import Any

from ingestion.domain.partitions import partition
from ingestion.repository import objects
from ingestion.requests import parse_event_object
from setpieces.observability import logger, observed


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """``event`` is {bucket, key, etag}. Returns {files}."""
    event_object = parse_event_object(event)
    partitions = partition(objects.read_events(event_object))
    objects.store_partitions(event_object, partitions)
    logger.info("partitioned", extra=event_object.payload() | {"files": len(partitions)})
    return {"files": len(partitions)}
