"""GET /v1/events?correlation_id=: the last events of the bus, all or those of one checkout."""

import re

from operations.repository import last_events
from setpieces.errors import Refused
from setpieces.rest_api import Request, Response, rest_handler

_CORRELATION_ID = re.compile(r"[0-9A-Za-z._:-]{1,128}")


@rest_handler
def handler(request: Request) -> Response:
    correlation_id = request.query.get("correlation_id", "")
    if correlation_id and not _CORRELATION_ID.fullmatch(correlation_id):
        raise Refused("INVALID_REQUEST", "must be 1 to 128 letters, digits, ., _, : or -", "/correlation_id")
    return Response(200, {"events": last_events(correlation_id)}, {"Cache-Control": "no-store"})
