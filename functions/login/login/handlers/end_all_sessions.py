"""All sessions of a person end, on every device.

DELETE /v1/sessions                                 by themselves, with any session of theirs
DELETE /v1/identities/{identity_id}/sessions        by an admin, whom the gateway has let through
"""

from login.repository.sessions import end_all_sessions
from login.requests import no_session, parse_identity_id, parse_session_token
from setpieces.observability import logger
from setpieces.rest_api import Request, Response, rest_handler
from setpieces.sessions import find_session


@rest_handler
def handler(request: Request) -> Response:
    end_all_sessions(_whose(request))
    logger.info("all sessions ended", extra={"by": request.authorizer.get("principalId", "their owner")})
    return Response(204)


def _whose(request: Request) -> str:
    if "identity_id" in request.path_parameters:
        return parse_identity_id(request)
    session = find_session(parse_session_token(request))
    if session is None:
        raise no_session()
    return session.identity_id
