"""POST /v1/sitemaps/runs {dry_run?, force?}: start a run that generates the sitemaps."""

from setpieces.errors import Refused
from setpieces.rest_api import Request, Response, rest_handler
from sitemaps.clients import executions
from sitemaps.repository import runs
from sitemaps.requests import parse_start_run
from sitemaps.views import run_view


@rest_handler
def handler(request: Request) -> Response:
    command = parse_start_run(request)
    run = runs.create(command.run_id, dry_run=command.dry_run, force=command.force)
    if (run["dry_run"], run["force"]) != (command.dry_run, command.force):
        raise Refused("IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another run")
    # Also for a run that is stored: the execution may not have been started.
    executions.start(command.run_id, dry_run=command.dry_run, force=command.force)
    location = f"{request.path.removesuffix('/')}/{command.run_id}"
    return Response(202, run_view(run), {"Location": location, "Retry-After": "1"})
