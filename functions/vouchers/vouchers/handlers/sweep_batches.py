"""Every minute: batches that nothing has happened to for too long are started again, or given up."""

from typing import Any

from setpieces.observability import logger, metrics, observed
from vouchers.messages import announce_failure
from vouchers.repository.batches import FAILED, PENDING, Batch, advance, claim, close, standing_still, start

LIMIT = 25
# A batch that was never started, or whose failure was not announced, waits for this sweep alone; one that is under way changes
# with every chunk and step.
NEGLECTED_MINUTES = 1
SILENT_MINUTES = 15
MAX_ATTEMPTS = 3


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """{"swept": how many batches}."""
    silent = {batch["batch_id"] for batch in standing_still(SILENT_MINUTES, LIMIT)}
    due = [
        batch
        for batch in standing_still(NEGLECTED_MINUTES, LIMIT)
        if batch["batch_id"] in silent
        or batch["status"] == FAILED
        or (batch["status"], batch["attempts"]) == (PENDING, 0)
    ]
    swept = sum(_sweep(batch) for batch in due)
    metrics.add_metric(name="StuckBatches", unit="Count", value=swept)
    return {"swept": swept}


def _sweep(batch: Batch) -> int:
    """1 if the batch needed this sweep, 0 if another one was faster."""
    told = {name: batch[name] for name in ("batch_id", "status", "attempts")}
    try:
        if batch["status"] == FAILED or batch["attempts"] >= MAX_ATTEMPTS:
            logger.error("batch is given up", extra=told)
            return int(_give_up(batch))
        logger.warning("batch is started again", extra=told)
        # It counts as an attempt once it is started, so Step Functions may be down for as long as it will.
        start(batch | {"attempts": batch["attempts"] + 1})
        return int(claim(batch) is not None)
    except Exception:
        # The other batches do not wait for this one.
        logger.exception("left to the next sweep", extra=told)
        return 1


def _give_up(batch: Batch) -> bool:
    """Fail a batch and announce it; False if it goes on, or has ended. A crash in between announces it once more."""
    if batch["status"] != FAILED and advance(batch["batch_id"], FAILED, reason="STALLED") is None:
        return False
    announce_failure(batch)
    close(batch["batch_id"])
    return True
