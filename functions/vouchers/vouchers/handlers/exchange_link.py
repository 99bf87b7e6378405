"""GET /v1/voucher-downloads/{token}: a link that works once leads to the file, by a signed link of a minute."""

from setpieces.errors import Refused
from setpieces.rest_api import Request, Response, rest_handler
from vouchers.domain.links import sign
from vouchers.repository.batches import COMPLETE, NOTIFYING, read
from vouchers.repository.downloads import EXCHANGED_SECONDS, use
from vouchers.requests import parse_token


@rest_handler
def handler(request: Request) -> Response:
    token = parse_token(request)
    batch_id = use(token) if token else None
    batch = read(batch_id) if batch_id else None
    if batch is None or batch["status"] not in (NOTIFYING, COMPLETE):
        raise Refused("DOWNLOAD_NOT_FOUND", "This link was used, has expired, or never was one")
    headers = {"Location": sign(batch, EXCHANGED_SECONDS)["url"], "Cache-Control": "no-store"}
    return Response(303, None, headers)
