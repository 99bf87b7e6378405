"""GET /v1/architecture: every service, the events that it sends to others, and the messages in its queues."""

from datetime import UTC, datetime

from operations import clients
from operations.views import architecture_view
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    view = architecture_view(clients.list_queues(), datetime.now(UTC))
    return Response(200, view, {"Cache-Control": "no-store"})
