"""POST /v1/voucher-batches/{batch_id}/cancellation: its vouchers are void from now on, and its file is gone."""

from setpieces.rest_api import Request, Response, rest_handler
from vouchers.domain.files import remove_file
from vouchers.repository.batches import CANCELLED, advance, read
from vouchers.repository.vouchers import refuse_redemptions
from vouchers.requests import parse_batch_id
from vouchers.views import batch_view


@rest_handler
def handler(request: Request) -> Response:
    batch_id = parse_batch_id(request)
    batch = advance(batch_id, CANCELLED) or read(batch_id)
    view = batch_view(batch)
    if batch:
        # Also when it was cancelled before: that request may have broken off here.
        refuse_redemptions(batch_id, batch["purge_at"])
        # The file may be there although the batch does not say so yet. If it is stored after this, store_file removes it.
        remove_file(batch_id)
    return Response(200, view)
