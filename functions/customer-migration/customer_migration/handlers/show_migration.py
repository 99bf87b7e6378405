"""GET /v1/migrations/{customer_id}: the state of a customer's migration."""

from customer_migration import repository
from customer_migration.requests import parse_customer_id
from customer_migration.views import migration_view
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    return Response(200, migration_view(repository.load(parse_customer_id(request))))
