"""GET /v1/sitemaps/runs/{run_id}: how far a run is, and how it ended."""

from setpieces.rest_api import Request, Response, rest_handler
from sitemaps.repository.runs import ENDED, find, settled
from sitemaps.requests import parse_run_id
from sitemaps.views import run_view


@rest_handler
def handler(request: Request) -> Response:
    run = settled(run_view(find(parse_run_id(request))))
    return Response(200, run, {} if run["status"] in ENDED else {"Retry-After": "1"})
