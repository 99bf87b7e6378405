"""POST /v1/voucher-batches/{batch_id}/cancellation: its vouchers are void from now on, and its file is gone."""

from voucher_batches import CANCELLED, advance, read
from voucher_requests import batch_id
from voucher_views import batch_view

from setpieces.aws import client
from setpieces.rest import Request, Response, rest_handler
from setpieces.settings import setting


@rest_handler
def handler(request: Request) -> Response:
    asked = batch_id(request.path_parameters["batch_id"])
    batch = advance(asked, CANCELLED) or read(asked)
    shown = batch_view(batch)
    # Also when it was cancelled before: that request may have broken off here.
    if batch and "file_key" in batch:
        client("s3").delete_object(Bucket=setting("BUCKET_NAME"), Key=batch["file_key"])
    return Response(200, shown)
