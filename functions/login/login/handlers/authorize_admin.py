"""Authorizer of APIs for the shop's staff: a session with the role ``admin``. Not cached: the policy is for one method."""

from typing import Any

from setpieces.authorizers import AuthorizerRequest, authorizer_handler, policy, require_session


@authorizer_handler
def handler(request: AuthorizerRequest) -> dict[str, Any]:
    session = require_session(request)
    effect = "Allow" if "admin" in session.roles else "Deny"
    return policy(session.identity_id, effect, request.method_arn, roles=",".join(session.roles))
