"""POST /v1/migrations/{customer_id}: start a customer's migration again."""

from customer_migration import events, repository
from customer_migration.requests import parse_customer_id
from customer_migration.views import pending_view
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    customer_id = parse_customer_id(request)
    # The status first: written after the message, it could overwrite the outcome of the migration.
    repository.mark_pending(customer_id)
    events.request_migration(customer_id)
    return Response(202, pending_view(customer_id), {"Location": request.path})
