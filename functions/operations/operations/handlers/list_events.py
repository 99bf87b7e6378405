"""GET /v1/events?correlation_id=: the latest events of the bus, of one checkout or of all."""

from operations import repository
from operations.requests import parse_correlation_id
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    events = repository.list_events(parse_correlation_id(request))
    return Response(200, {"events": events}, {"Cache-Control": "no-store"})
