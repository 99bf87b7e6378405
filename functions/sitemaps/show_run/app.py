"""GET /v1/sitemaps/runs/{run_id}: how far a run is, and how it ended."""

from sitemap_requests import run_id, view
from sitemap_runs import ENDED, find, settled

from setpieces.rest import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    run = settled(view(find(run_id(request.path_parameters["run_id"]))))
    return Response(200, run, {} if run["status"] in ENDED else {"Retry-After": "1"})
