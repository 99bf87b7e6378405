"""End all sessions of a person, on every device.

DELETE /v1/sessions                                 by the person, with any of their sessions
DELETE /v1/identities/{identity_id}/sessions        by an admin, whom the gateway has authorized
"""

from login.domain import session_invalid
from login.repository.sessions import end_all_sessions
from login.requests import parse_identity_id, parse_session_token
from setpieces.observability import logger
from setpieces.rest_api import Request, Response, rest_handler
from setpieces.sessions import use_session


@rest_handler
def handler(request: Request) -> Response:
    end_all_sessions(_identity_id(request))
    logger.info("all sessions ended", extra={"by": request.authorizer.get("principalId", "their owner")})
    return Response(204)


def _identity_id(request: Request) -> str:
    """The identity in the path, that of the session if there is none."""
    if "identity_id" in request.path_parameters:
        return parse_identity_id(request)
    session = use_session(parse_session_token(request))
    if session is None:
        raise session_invalid()
    return session.identity_id
