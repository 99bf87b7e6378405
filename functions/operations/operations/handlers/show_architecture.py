"""GET /v1/architecture: every set piece, whom it tells what, and what waits in its queues."""

from datetime import UTC, datetime

from operations.clients import queues
from operations.views import pieces, with_queues
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    as_of = datetime.now(UTC).isoformat(timespec="seconds")
    return Response(200, {"services": with_queues(pieces(), queues()), "as_of": as_of}, {"Cache-Control": "no-store"})
