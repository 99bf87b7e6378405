"""Authorizer of APIs that serve guests as well as customers: who calls is optional, but has to be true.

No ``Authorization`` header is a guest (``customer_id`` is ""); anything in it has to be a session. Not cached: a cache cannot
be keyed by a header that may be absent.
"""

from typing import Any

from setpieces.authorizers import AuthorizerRequest, authorizer_handler, policy, require_session


@authorizer_handler
def handler(request: AuthorizerRequest) -> dict[str, Any]:
    if "authorization" not in request.headers:
        return policy("guest", "Allow", request.method_arn, customer_id="", roles="")
    session = require_session(request)
    principal = session.customer_id or session.identity_id
    return policy(
        principal, "Allow", request.method_arn, customer_id=session.customer_id, roles=",".join(session.roles)
    )
