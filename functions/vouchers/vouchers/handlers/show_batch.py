"""GET /v1/voucher-batches/{batch_id}: how far a batch is, and once it is complete a fresh link to its file."""

from setpieces.rest_api import Request, Response, rest_handler
from setpieces.settings import setting
from vouchers.repository.batches import COMPLETE, read
from vouchers.repository.downloads import link
from vouchers.requests import parse_show_batch
from vouchers.views import ENDED, batch_view


@rest_handler
def handler(request: Request) -> Response:
    query = parse_show_batch(request, int(setting("LINK_SECONDS")))
    batch = read(query.batch_id)
    view = batch_view(batch)
    headers = {"Cache-Control": "no-store"}
    if batch and batch["status"] == COMPLETE:
        view["download"] = link(batch, query.link_seconds)
    if view["status"] not in ENDED:
        headers["Retry-After"] = "1"
    return Response(200, view, headers)
