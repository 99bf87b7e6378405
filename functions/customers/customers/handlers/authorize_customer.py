"""Authorizer of the paths of one customer. See ``customer_decision`` for the checks, ``customer_grants`` for what is cached."""

from typing import Any

from customers.clients.platforms import held_identities
from customers.domain.grants import grant, is_kept, judge
from customers.domain.identities import Verdict
from setpieces.authorizers import AuthorizerRequest, authorizer_handler, require_session
from setpieces.observability import logger


class IdentityUnavailable(Exception):
    """A platform is slow or down: API Gateway answers AUTHORIZER_FAILURE (503) and caches nothing."""


@authorizer_handler
def handler(request: AuthorizerRequest) -> dict[str, Any]:
    session = require_session(request)
    asked = request.path_parameters.get("customer_id", "")
    verdict = judge(session, asked, is_kept(request.method_arn), held_identities)
    if verdict is Verdict.IDENTITY_UNAVAILABLE:
        raise IdentityUnavailable
    if verdict is Verdict.IDENTITY_MISMATCH:
        # Only now: publishing needs what most authorisations should not have to load.
        from customers.events import announce_mismatch

        announce_mismatch(session.customer_id, session.session_hash)
    logger.info("authorized", extra={"verdict": verdict.value, "asked_for_own": asked == session.customer_id})
    return grant(session, verdict, request.method_arn)
