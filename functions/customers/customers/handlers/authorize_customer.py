"""Authorizer of one customer's paths: ``domain.access`` has the checks, ``views.policies`` what API Gateway caches."""

from typing import Any

from customers.clients.platforms import look_up_identities
from customers.domain.access import Caller, Verdict, evaluate_access
from customers.views.policies import is_cached, policy_view
from setpieces.authorizers import AuthorizerRequest, authorizer_handler, require_session
from setpieces.observability import logger


class IdentityUnavailable(Exception):
    """A platform is slow or down. API Gateway responds with AUTHORIZER_FAILURE (503) and caches nothing."""


@authorizer_handler
def handler(request: AuthorizerRequest) -> dict[str, Any]:
    session = require_session(request)
    caller = Caller(session.customer_id, session.identity_id)
    customer_id = request.path_parameters.get("customer_id", "")
    verdict = evaluate_access(caller, customer_id, look_up_identities, cached=is_cached(request.method_arn))
    if verdict is Verdict.IDENTITY_UNAVAILABLE:
        raise IdentityUnavailable
    if verdict is Verdict.IDENTITY_MISMATCH:
        # Imported here because most authorizations publish nothing.
        from customers.events import publish_identity_mismatch

        publish_identity_mismatch(caller.customer_id, session.session_hash)
    own_path = customer_id == caller.customer_id
    logger.info("session authorized", extra={"verdict": verdict.value, "own_path": own_path})
    return policy_view(caller, verdict, request.method_arn)
