"""GET /v1/migrations/{customer_id}: how far it is."""

from customer_migration.repository import find
from customer_migration.views import customer_id, view
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    return Response(200, view(find(customer_id(request.path_parameters["customer_id"]))))
