"""GET /v1/sitemaps/runs/{run_id}: the status of a run and, once it has ended, its result."""

from setpieces.rest_api import Request, Response, rest_handler
from sitemaps.domain.runs import ENDED
from sitemaps.repository import runs
from sitemaps.requests import parse_run_id
from sitemaps.views import run_view
from sitemaps.workflow.runs import resolve_status


@rest_handler
def handler(request: Request) -> Response:
    run = resolve_status(runs.load(parse_run_id(request)))
    return Response(200, run_view(run), {} if run["status"] in ENDED else {"Retry-After": "1"})
