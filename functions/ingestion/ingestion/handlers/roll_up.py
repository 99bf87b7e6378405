"""A processing function: events per type and hour, each object counted once however often it is told of."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from ingestion.clients import Delivered, read
from ingestion.domain.lines import Corrupt, events, hour
from ingestion.repository import add
from setpieces.observability import logger, metrics, observed
from setpieces.stored import known


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """``event`` is {bucket, key, etag}. Returns {counted}."""
    delivered = known(Delivered, event)
    lines = (line for line in events(read(delivered)) if not isinstance(line, Corrupt))
    counted = add(delivered.identity, Counter((line["event"]["type"], hour(line)) for line in lines), datetime.now(UTC))
    metrics.add_metric(name="EventsCounted", unit="Count", value=counted)
    logger.info("counted", extra=delivered.payload() | {"counted": counted})
    return {"counted": counted}
