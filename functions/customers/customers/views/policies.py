"""The authorizer's response, as API Gateway caches it.

API Gateway caches a response under the ``Authorization`` header alone and applies it to every later request with that header.
So the response depends on the session alone: it allows the paths of the session's own customer, and no other path.
https://docs.aws.amazon.com/apigateway/latest/developerguide/configure-api-gateway-lambda-authorization.html
"""

from typing import Any

from customers.domain.access import CUSTOMER_ID, Caller, Verdict
from setpieces.authorizers import policy

# The methods whose responses are cached (authorizer `customer` in schemas/api/customers.yaml).
CACHED_METHODS = ("GET",)


def is_cached(method_arn: str) -> bool:
    """True if API Gateway caches the response for the method in arn:...<api>/<stage>/<METHOD>/<path>."""
    return method_arn.split("/")[2] in CACHED_METHODS


def policy_view(caller: Caller, verdict: Verdict, method_arn: str) -> dict[str, Any]:
    """The policy, with ``customer_id`` for the integration and the code and type of the response ACCESS_DENIED as its context.

    A policy that allows the caller's own paths refuses only other customers' paths.
    """
    allowed = verdict is Verdict.ALLOWED
    reason = (Verdict.SESSION_USER_MISMATCH if allowed else verdict).value
    return policy(
        caller.identity_id,
        "Allow" if allowed else "Deny",
        customer_paths(method_arn, caller.customer_id),
        customer_id=caller.customer_id,
        reason=reason,
        reason_type=reason.lower().replace("_", "-"),
    )


def customer_paths(method_arn: str, customer_id: str) -> str:
    """The ARN of every path of one customer, by any method, in the API and stage of ``method_arn``.

    It is the whole stage if ``customer_id`` is not a valid id, because such a caller is always denied.
    """
    api, stage, _ = method_arn.split("/", 2)
    if not CUSTOMER_ID.fullmatch(customer_id):
        return f"{api}/{stage}/*"
    return f"{api}/{stage}/*/v1/customers/{customer_id}/*"
