"""POST /v1/migrations/{customer_id}: once more, by hand."""

import json

from customer_migration.repository import PENDING, await_rerun
from customer_migration.requests import request as migration_request
from customer_migration.views import customer_id
from setpieces.aws import client
from setpieces.rest_api import Request, Response, rest_handler
from setpieces.settings import setting


@rest_handler
def handler(request: Request) -> Response:
    asked = customer_id(request.path_parameters["customer_id"])
    # First the status: the other way round it might overwrite how the migration ended.
    await_rerun(asked)
    client("sqs").send_message(QueueUrl=setting("QUEUE_URL"), MessageBody=json.dumps(migration_request(asked)))
    return Response(202, {"customer_id": asked, "status": PENDING}, {"Location": request.path})
