"""POST /v1/sitemaps/runs {dry_run?, force?}: make the sitemaps now; the run's status tells how it goes on."""

import json

from setpieces.aws import client, error_code
from setpieces.problems import Problem
from setpieces.rest_api import Request, Response, rest_handler
from setpieces.settings import setting
from sitemaps.repository.runs import create
from sitemaps.requests import new_run_id, options, view


@rest_handler
def handler(request: Request) -> Response:
    wanted = options(request)
    key = request.idempotency_key()
    run_id = new_run_id(request.authorizer["principalId"], key)
    run = create(run_id, **wanted)
    if {name: run[name] for name in wanted} != wanted:
        raise Problem(409, "IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another run")
    api = client("stepfunctions")
    try:
        # Of the same name there is only one: to start it again is harmless, and mends a start that was lost.
        api.start_execution(stateMachineArn=setting("STATE_MACHINE_ARN"), name=run_id, input=json.dumps(wanted))
    except api.exceptions.ClientError as error:
        if error_code(error) != "ExecutionAlreadyExists":
            raise
    return Response(202, view(run), {"Location": f"{request.path.removesuffix('/')}/{run_id}", "Retry-After": "1"})
