"""Every minute: batches that nothing has happened to for too long are started again, or given up."""

from typing import Any

from voucher_batches import FAILED, PENDING, advance, claim, standing_still, start
from voucher_messages import announce_failure

from setpieces.observability import logger, metrics, observed

LIMIT = 25
# A batch that was stored but not started waits for nobody; one that is under way is heard of with every chunk and step.
NOT_STARTED_MINUTES = 1
SILENT_MINUTES = 15
MAX_ATTEMPTS = 3


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """{"swept": how many batches}."""
    swept = 0
    silent = {batch["batch_id"] for batch in standing_still(SILENT_MINUTES, LIMIT)}
    for batch in standing_still(NOT_STARTED_MINUTES, LIMIT):
        if batch["status"] == PENDING or batch["batch_id"] in silent:
            swept += _sweep(batch)
    metrics.add_metric(name="StuckBatches", unit="Count", value=swept)
    return {"swept": swept}


def _sweep(batch: dict[str, Any]) -> int:
    """1 if the batch was taken care of, 0 if somebody else does."""
    told = {name: batch[name] for name in ("batch_id", "status", "attempts")}
    if batch["attempts"] >= MAX_ATTEMPTS:
        logger.error("batch is given up", extra=told)
        # Told before it is entered: a crash in between tells it once more.
        announce_failure(batch)
        return int(advance(batch["batch_id"], FAILED, reason="STALLED") is not None)
    claimed = claim(batch)
    if claimed:
        logger.warning("batch is started again", extra=told)
        start(claimed)
    return int(claimed is not None)
