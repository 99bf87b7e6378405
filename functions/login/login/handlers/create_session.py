"""POST /v1/sessions {email, password}: sign in."""

from login.requests import parse_create_session
from login.views import session_view
from login.workflow import sign_in
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    token, session = sign_in(parse_create_session(request), request.remaining_seconds)
    return Response(201, session_view(token, session))
