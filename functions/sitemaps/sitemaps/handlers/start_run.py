"""POST /v1/sitemaps/runs {dry_run?, force?}: make the sitemaps now; the run's status tells how it goes on."""

import json

from setpieces.aws import client, error_code
from setpieces.errors import Refused
from setpieces.rest_api import Request, Response, rest_handler
from setpieces.settings import setting
from sitemaps.repository.runs import create
from sitemaps.requests import parse_start_run
from sitemaps.views import run_view


@rest_handler
def handler(request: Request) -> Response:
    command = parse_start_run(request)
    run = create(command.run_id, command.dry_run, command.force)
    if (run["dry_run"], run["force"]) != (command.dry_run, command.force):
        raise Refused("IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another run")
    api = client("stepfunctions")
    try:
        # Of the same name there is only one: to start it again is harmless, and mends a start that was lost.
        api.start_execution(
            stateMachineArn=setting("STATE_MACHINE_ARN"),
            name=command.run_id,
            input=json.dumps({"dry_run": command.dry_run, "force": command.force}),
        )
    except api.exceptions.ClientError as error:
        if error_code(error) != "ExecutionAlreadyExists":
            raise
    location = f"{request.path.removesuffix('/')}/{command.run_id}"
    return Response(202, run_view(run), {"Location": location, "Retry-After": "1"})
