"""What the authorizer answers, as API Gateway keeps it. Pure.

API Gateway caches an answer under the ``Authorization`` header alone and holds it against every later request with that header.
So it has to depend on the session alone: one answer has to be right for each path that the session may ask for next. It opens
the paths of the session's own customer, and everything else stays closed because nothing opens it: check (b), also in a cache.
https://docs.aws.amazon.com/apigateway/latest/developerguide/configure-api-gateway-lambda-authorization.html
"""

from collections.abc import Callable
from typing import Any

from customers.domain.identities import CUSTOMER_ID, Held, Verdict, decide
from setpieces.authorizers import policy
from setpieces.sessions import Session

# The methods whose answers are kept (authorizer `customer` in schemas/api/customers.yaml); the others' are used once.
KEPT_METHODS = ("GET",)


def judge(session: Session, asked: str, kept: bool, look_up: Callable[[str], tuple[Held, ...]]) -> Verdict:
    """The verdict on a valid session.

    An answer that is kept judges the session's own customer, whoever was asked for: who asks for another customer first must
    still get their own afterwards, and be told the right reason if they do not. One that is used once can refuse a stranger
    without any look-up.
    """
    return decide(session, session.customer_id if kept else asked, look_up)


def is_kept(method_arn: str) -> bool:
    """Whether API Gateway caches the answer for this method."""
    return method_arn.split("/")[2] in KEPT_METHODS


def grant(session: Session, verdict: Verdict, method_arn: str) -> dict[str, Any]:
    """The authorizer's output; its context holds ``customer_id`` for the integration and ``reason`` for ACCESS_DENIED.

    A policy that opens its own customer's paths refuses only other people's.
    """
    allowed = verdict is Verdict.ALLOWED
    return policy(
        session.identity_id,
        "Allow" if allowed else "Deny",
        own_paths(method_arn, session.customer_id),
        customer_id=session.customer_id,
        reason=(Verdict.SESSION_USER_MISMATCH if allowed else verdict).value,
    )


def own_paths(method_arn: str, customer_id: str) -> str:
    """Every path of one customer, by any method, in the API and stage of ``method_arn`` (arn:...<api>/<stage>/<METHOD>/<path>).

    For a session of somebody who is no customer, the whole stage: it is only ever denied.
    """
    api, stage, _ = method_arn.split("/", 2)
    if not CUSTOMER_ID.fullmatch(customer_id):
        return f"{api}/{stage}/*"
    return f"{api}/{stage}/*/v1/customers/{customer_id}/*"
