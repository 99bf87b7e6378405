"""DELETE /v1/sessions/current: sign out. A session that has ended already is a 401, as everywhere."""

from login.repository.sessions import end_session
from login.requests import no_session, parse_session_token
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    if not end_session(parse_session_token(request)):
        raise no_session()
    return Response(204)
