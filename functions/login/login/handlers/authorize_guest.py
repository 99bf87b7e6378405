"""Authorizer of APIs for guests and customers.

A request without an ``Authorization`` header is a guest's (``customer_id`` is ""); any value of it must be a valid session.
Not cached, because API Gateway rejects requests without the header that is the key of the cache.
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
