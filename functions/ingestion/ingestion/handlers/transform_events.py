"""Firehose's data transformation: validate records as events before they are delivered.

{records: [{recordId, data: base64}]} -> {records: [{recordId, result: Ok | Dropped | ProcessingFailed, data}]}
Firehose delivers Ok records, and writes ProcessingFailed records below the error prefix.
https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
"""

from collections import Counter
from typing import Any

from ingestion.domain.records import validate_records
from setpieces.observability import logger, metrics, observed


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    records = validate_records(event["records"])
    results: Counter[str] = Counter(record["result"] for record in records)
    for result, count in results.items():
        metrics.add_metric(name=f"Events{result}", unit="Count", value=count)
    logger.info("transformed", extra=results)
    return {"records": records}
