"""Authorizer of APIs for the shop's own people: a session in the role ``admin``. Not cached: it decides for one method."""

from typing import Any

from setpieces.authorizers import AuthorizerRequest, Unauthorized, authorizer_handler, policy
from setpieces.sessions import bearer_token, find_session


@authorizer_handler
def handler(request: AuthorizerRequest) -> dict[str, Any]:
    token = bearer_token(request.headers.get("authorization", ""))
    session = find_session(token) if token else None
    if session is None:
        raise Unauthorized
    effect = "Allow" if "admin" in session.roles else "Deny"
    return policy(session.identity_id, effect, request.method_arn, roles=",".join(session.roles))
