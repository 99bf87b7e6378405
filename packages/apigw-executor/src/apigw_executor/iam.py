"""Operations with AWS_IAM authorization: the signature of the request, and the permissions of who signed it."""

from __future__ import annotations

from apigw_executor.context import RequestContext
from apigw_executor.ports import IamDecision
from apigw_executor.responses import GatewayError

_INVALID = ("Signature", "InvalidClientTokenId", "UnrecognizedClient", "InvalidAccessKey")


def check_iam(context: RequestContext) -> None:
    """Refuses a request without a valid signature, or whose principal may not invoke the operation."""
    if not context.operation.iam:
        return
    request = context.request
    signed = (request.header("authorization") or "").startswith("AWS4-HMAC-SHA256")
    if not signed and "X-Amz-Signature" not in request.last_query:
        raise GatewayError("MISSING_AUTHENTICATION_TOKEN")
    decision = context.runtime.cloud.authorize(request, context.method_arn)
    identity = context.variables["identity"]
    identity["accountId"], identity["accessKey"] = decision.account_id, decision.access_key
    identity["userArn"] = identity["caller"] = identity["user"] = decision.principal_arn
    if not decision.allowed:
        raise _refusal(decision, context.method_arn)


def _refusal(decision: IamDecision, arn: str) -> GatewayError:
    if "Expired" in decision.code:
        return GatewayError("EXPIRED_TOKEN", decision.message or None)
    if "MissingAuthentication" in decision.code:
        return GatewayError("MISSING_AUTHENTICATION_TOKEN")
    if any(word in decision.code for word in _INVALID):
        return GatewayError("INVALID_SIGNATURE", decision.message or None)
    principal = decision.principal_arn or "anonymous"
    return GatewayError(
        "ACCESS_DENIED", f"User: {principal} is not authorized to perform: execute-api:Invoke on resource: {arn}"
    )
