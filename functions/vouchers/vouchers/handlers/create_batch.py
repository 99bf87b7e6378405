"""POST /v1/voucher-batches: accept a batch of vouchers; its status tells how it goes on."""

import secrets
from datetime import datetime, timedelta

from setpieces.observability import logger, metrics
from setpieces.problems import Problem, unavailable
from setpieces.rest_api import Request, Response, rest_handler
from setpieces.settings import setting
from vouchers.repository.batches import PENDING, add, read, start
from vouchers.requests import digest, new_batch, new_batch_id
from vouchers.views import utc_now

# Vouchers are kept for so long after they have expired: customers ask why theirs is refused.
KEPT = timedelta(days=400)
SALT_BYTES = 16


@rest_handler
def handler(request: Request) -> Response:
    wanted = new_batch(request, utc_now())
    caller = request.authorizer["principalId"]
    facts = wanted | {
        "batch_id": new_batch_id(caller, request.idempotency_key()),
        "request": digest(wanted),
        "requested_by": caller,
        "key_version": int(setting("CODE_KEY_VERSION")),
        "code_salt": secrets.token_hex(SALT_BYTES),
        "correlation_id": request.correlation_id,
        "purge_at": int((datetime.fromisoformat(wanted["valid_to"]) + KEPT).timestamp()),
    }
    batch = add(facts) or read(facts["batch_id"])
    if batch is None:
        raise unavailable("BATCH_BUSY", "This batch is being removed", retry_after=1)
    if batch["request"] != facts["request"]:
        raise Problem(409, "IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another batch")
    if batch["status"] == PENDING:
        try:
            start(batch)
        except Exception:
            # It is stored, and so it is accepted; the sweeper starts what was not started.
            logger.exception("left to the sweeper", extra={"batch_id": batch["batch_id"]})
            metrics.add_metric(name="NotStarted", unit="Count", value=1)
    location = f"{request.path.removesuffix('/')}/{batch['batch_id']}"
    answer = {"batch_id": batch["batch_id"], "status": batch["status"]}
    return Response(202, answer, {"Location": location, "Retry-After": "1"})
