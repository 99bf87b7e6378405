"""POST /v1/sitemaps/runs {dry_run?, force?}: make the sitemaps now; the run's status tells how it goes on."""

import json

from sitemap_requests import new_run_id, options, view
from sitemap_runs import PENDING, find, note

from setpieces.aws import client, error_code
from setpieces.problems import Problem
from setpieces.rest import Request, Response, rest_handler
from setpieces.settings import setting


@rest_handler
def handler(request: Request) -> Response:
    wanted = options(request)
    run_id = new_run_id(request.authorizer["principalId"], request.idempotency_key())
    known = find(run_id)
    if known and {name: known[name] for name in wanted} != wanted:
        raise Problem(409, "IDEMPOTENCY_KEY_REUSED", "This Idempotency-Key was used for another run")
    if known is None:
        note(run_id, status=PENDING, **wanted)
    api = client("stepfunctions")
    try:
        # Of the same name there is only one: to start it again is harmless, and mends a start that was lost.
        api.start_execution(stateMachineArn=setting("STATE_MACHINE_ARN"), name=run_id, input=json.dumps(wanted))
    except api.exceptions.ClientError as error:
        if error_code(error) != "ExecutionAlreadyExists":
            raise
    answer = view(find(run_id))
    return Response(202, answer, {"Location": f"{request.path.removesuffix('/')}/{run_id}", "Retry-After": "1"})
