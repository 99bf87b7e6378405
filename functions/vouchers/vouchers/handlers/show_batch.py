"""GET /v1/voucher-batches/{batch_id}: the state of a batch, and a new link to its file once it is complete."""

from setpieces.rest_api import Request, Response, rest_handler
from setpieces.settings import setting
from vouchers.domain.batches import COMPLETE, ENDED
from vouchers.repository import batches
from vouchers.requests import parse_show_batch
from vouchers.views.batches import batch_view
from vouchers.workflow.links import create_link


@rest_handler
def handler(request: Request) -> Response:
    command = parse_show_batch(request, int(setting("LINK_SECONDS")))
    batch = batches.find(command.batch_id)
    view = batch_view(batch)
    headers = {"Cache-Control": "no-store"}
    if batch and batch["status"] == COMPLETE:
        view["download"] = create_link(batch, command.link_seconds)
    if view["status"] not in ENDED:
        headers["Retry-After"] = "1"
    return Response(200, view, headers)
