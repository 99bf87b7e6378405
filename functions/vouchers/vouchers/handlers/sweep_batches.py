"""Every minute: restart stalled batches, or fail them after the last attempt."""

from typing import Any

from setpieces.observability import metrics, observed
from vouchers.workflow.sweep import list_due, restart_or_fail


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """{swept: number of batches}."""
    swept = sum(restart_or_fail(batch) for batch in list_due())
    metrics.add_metric(name="StuckBatches", unit="Count", value=swept)
    return {"swept": swept}
