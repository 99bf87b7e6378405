"""DELETE /v1/sessions/current: sign out. 401 for a session that has ended already."""

from login.domain import session_invalid
from login.repository.sessions import end_session
from login.requests import parse_session_token
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    if not end_session(parse_session_token(request)):
        raise session_invalid()
    return Response(204)
