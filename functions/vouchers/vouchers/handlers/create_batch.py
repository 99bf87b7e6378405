"""POST /v1/voucher-batches: accept a batch of vouchers; its status tells how it goes on."""

import secrets
from dataclasses import asdict
from datetime import datetime, timedelta

from setpieces.errors import Refused, RetryLater
from setpieces.idempotency import payload_digest
from setpieces.observability import logger, metrics
from setpieces.rest_api import Request, Response, rest_handler
from setpieces.settings import setting
from vouchers.repository.batches import PENDING, add, read, start
from vouchers.requests import parse_create_batch
from vouchers.views import utc_now

# Vouchers are kept for so long after they have expired: customers ask why theirs is refused.
KEPT = timedelta(days=400)
SALT_BYTES = 16


@rest_handler
def handler(request: Request) -> Response:
    command = parse_create_batch(request, utc_now())
    parameters = asdict(command)
    new_batch = parameters | {
        "request": payload_digest(parameters),
        "key_version": int(setting("CODE_KEY_VERSION")),
        "code_salt": secrets.token_hex(SALT_BYTES),
        "correlation_id": request.correlation_id,
        "purge_at": int((datetime.fromisoformat(command.valid_to) + KEPT).timestamp()),
    }
    batch = add(new_batch) or read(command.batch_id)
    if batch is None:
        raise RetryLater(1, "This batch is being removed", "BATCH_BUSY")
    if batch["request"] != new_batch["request"]:
        raise Refused("IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another batch")
    if batch["status"] == PENDING:
        try:
            start(batch)
        except Exception:
            # It is stored, and so it is accepted; the sweeper starts what was not started.
            logger.exception("left to the sweeper", extra={"batch_id": batch["batch_id"]})
            metrics.add_metric(name="NotStarted", unit="Count", value=1)
    location = f"{request.path.removesuffix('/')}/{batch['batch_id']}"
    body = {"batch_id": batch["batch_id"], "status": batch["status"]}
    return Response(202, body, {"Location": location, "Retry-After": "1"})
