"""POST /v1/voucher-batches/{batch_id}/cancellation: make the vouchers of a batch void, and delete its file."""

from setpieces.rest_api import Request, Response, rest_handler
from vouchers.domain.batches import CANCELLED
from vouchers.repository import batches, files, redemptions
from vouchers.requests import parse_batch_id
from vouchers.views.batches import batch_view


@rest_handler
def handler(request: Request) -> Response:
    batch_id = parse_batch_id(request)
    batch = batches.change_status(batch_id, CANCELLED) or batches.find(batch_id)
    view = batch_view(batch)
    if batch:
        # Also for a batch that was cancelled before: the earlier request may have failed here.
        redemptions.close_gates(batch_id, batch["purge_at"])
        # A file that is stored after this is deleted by the step that stores it.
        files.delete_file(batch_id)
    return Response(200, view)
