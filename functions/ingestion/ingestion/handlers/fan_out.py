"""An object that the stream delivered: store its invalid lines, and invoke the processing functions if it has events."""

from typing import Any

from ingestion.clients import invoke_processors
from ingestion.domain.lines import InvalidLine
from ingestion.repository import objects
from ingestion.requests import parse_object_created
from setpieces.observability import logger, metrics, observed


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """``event`` is S3's Object Created. Returns {events, corrupt}."""
    event_object = parse_object_created(event)
    invalid_lines, events = [], 0
    for line in objects.read(event_object):
        if isinstance(line, InvalidLine):
            invalid_lines.append(line)
        else:
            events += 1
    if invalid_lines:
        objects.store_invalid_lines(event_object, invalid_lines)
    if events:
        invoke_processors(event_object)
    metrics.add_metric(name="CorruptLines", unit="Count", value=len(invalid_lines))
    counts: dict[str, Any] = {"events": events, "corrupt": len(invalid_lines)}
    logger.info("fanned out", extra=event_object.payload() | counts)
    return counts
