"""Creation of a batch: stored, then started."""

import secrets
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import cast

from setpieces.errors import Refused, RetryLater
from setpieces.idempotency import payload_digest
from setpieces.observability import logger, metrics
from setpieces.settings import setting
from vouchers.clients import executions
from vouchers.domain.batches import PENDING, Batch, NewBatch
from vouchers.repository import batches
from vouchers.requests import CreateBatch

# How long vouchers are stored after they have expired: customers ask why theirs is refused.
RETENTION = timedelta(days=400)
SALT_BYTES = 16


def create(command: CreateBatch, correlation_id: str) -> Batch:
    """Store and start a batch, or return the one of an earlier request with the same Idempotency-Key.

    Raises ``Refused`` IDEMPOTENCY_KEY_REUSED, ``RetryLater`` BATCH_BUSY.
    """
    parameters = asdict(command)
    new_batch = parameters | {
        "request": payload_digest(parameters),
        "key_version": int(setting("CODE_KEY_VERSION")),
        "code_salt": secrets.token_hex(SALT_BYTES),
        "correlation_id": correlation_id,
        "purge_at": int((datetime.fromisoformat(command.valid_to) + RETENTION).timestamp()),
    }
    batch = batches.create(cast(NewBatch, new_batch)) or batches.find(command.batch_id)
    if batch is None:
        raise RetryLater(1, "The batch is being deleted", "BATCH_BUSY")
    if batch["request"] != new_batch["request"]:
        raise Refused("IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another batch")
    if batch["status"] == PENDING:
        _start(batch)
    return batch


def _start(batch: Batch) -> None:
    """Start the execution of a batch. If that fails, the sweep starts it: the batch is stored, and so it is accepted."""
    try:
        executions.start(batch["batch_id"], batch["attempts"], batch["correlation_id"])
    except Exception:
        logger.exception("batch left to the sweep", extra={"batch_id": batch["batch_id"]})
        metrics.add_metric(name="NotStarted", unit="Count", value=1)
