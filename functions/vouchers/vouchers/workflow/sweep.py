"""Stalled batches are restarted, and fail after three restarts."""

from setpieces.observability import logger
from vouchers import events
from vouchers.clients import executions
from vouchers.domain.batches import FAILED, PENDING, OpenBatch
from vouchers.repository import batches

LIMIT = 25
# Batches that were not started, or whose failure was not announced, have no execution; others change with every step.
WITHOUT_EXECUTION_MINUTES = 1
IN_PROGRESS_MINUTES = 15
MAX_ATTEMPTS = 3


def list_due() -> list[OpenBatch]:
    """Stalled batches that need the sweep, oldest first."""
    stalled = {batch["batch_id"] for batch in batches.list_stalled(IN_PROGRESS_MINUTES, LIMIT)}
    return [
        batch
        for batch in batches.list_stalled(WITHOUT_EXECUTION_MINUTES, LIMIT)
        if batch["batch_id"] in stalled
        or batch["status"] == FAILED
        or (batch["status"], batch["attempts"]) == (PENDING, 0)
    ]


def restart_or_fail(batch: OpenBatch) -> bool:
    """Restart a batch, or fail it after the last attempt. False if another sweep was faster, or the batch has ended.

    An error is logged and left to the next sweep, so that the other batches are swept.
    """
    fields = {"batch_id": batch["batch_id"], "status": batch["status"], "attempts": batch["attempts"]}
    try:
        if batch["status"] == FAILED or batch["attempts"] >= MAX_ATTEMPTS:
            logger.error("batch failed", extra=fields)
            return _fail(batch)
        logger.warning("batch restarted", extra=fields)
        # An attempt counts once it is started: while Step Functions is down, no attempt is used up.
        executions.start(batch["batch_id"], batch["attempts"] + 1, batch["correlation_id"])
        return batches.count_attempt(batch)
    except Exception:
        logger.exception("batch left to the next sweep", extra=fields)
        return True


def _fail(batch: OpenBatch) -> bool:
    """Fail a batch and announce it; after a crash in between it is announced again."""
    if batch["status"] != FAILED and batches.change_status(batch["batch_id"], FAILED, reason="STALLED") is None:
        return False
    events.publish_batch_failed(batch["batch_id"], batch["correlation_id"])
    batches.mark_failure_announced(batch["batch_id"])
    return True
