"""Firehose asks before it delivers: which records are events, each once. What is none goes to the error prefix.

{records: [{recordId, data: base64}]} -> {records: [{recordId, result: Ok | Dropped | ProcessingFailed, data}]}
https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
"""

from collections import Counter
from typing import Any

from ingestion.domain.transform import transform
from setpieces.observability import logger, metrics, observed


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    records = transform(event["records"])
    counted = Counter(record["result"] for record in records)
    for result, count in counted.items():
        metrics.add_metric(name=f"Events{result}", unit="Count", value=count)
    logger.info("transformed", extra=counted)
    return {"records": records}
