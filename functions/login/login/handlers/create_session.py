"""POST /v1/sessions {email, password}: sign in."""

import time
from datetime import UTC, datetime

from login.clients import authenticate
from login.events import announce
from login.repository.attempts import counted_attempt
from login.repository.sessions import begin_session, milliseconds
from login.requests import parse_create_session
from setpieces.observability import count
from setpieces.rest_api import Request, Response, rest_handler


@rest_handler
def handler(request: Request) -> Response:
    command, asked_at = parse_create_session(request), milliseconds()
    with counted_attempt(command.email, request):
        identity = authenticate(command.email, command.password, request)
    token, session = begin_session(identity, int(time.time()), asked_at)
    count("SessionStarted")
    announce(session)
    expires_at = datetime.fromtimestamp(session.ends_at, UTC).isoformat()
    body = {"session_token": token, "customer_id": session.customer_id or None, "expires_at": expires_at}
    return Response(201, body | {"roles": list(session.roles)})
