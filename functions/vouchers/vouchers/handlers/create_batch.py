"""POST /v1/voucher-batches: create a batch of vouchers, which is generated in the background."""

from datetime import UTC, datetime

from setpieces.rest_api import Request, Response, rest_handler
from vouchers.requests import parse_create_batch
from vouchers.workflow import batches


@rest_handler
def handler(request: Request) -> Response:
    command = parse_create_batch(request, datetime.now(UTC))
    batch = batches.create(command, request.correlation_id)
    location = f"{request.path.removesuffix('/')}/{batch['batch_id']}"
    body = {"batch_id": batch["batch_id"], "status": batch["status"]}
    return Response(202, body, {"Location": location, "Retry-After": "1"})
