"""The resource policy of an API.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apigw_executor import policy
from apigw_executor.context import RequestContext
from apigw_executor.deployment import Api
from apigw_executor.responses import GatewayError


def check_resource_policy(context: RequestContext) -> None:
    """Refuses a request that the policy denies. Without an authorizer or IAM, the policy has to allow it (tables A to C)."""
    decision = context.policy_decision = _decide(context)
    if decision == "deny":
        raise GatewayError("ACCESS_DENIED", "User is not authorized to access this resource with an explicit deny")
    open_to_all = not context.operation.iam and context.operation.authorizer is None
    if decision == "implicit-deny" and open_to_all:
        raise GatewayError(
            "ACCESS_DENIED",
            f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: {context.method_arn}",
        )


def _decide(context: RequestContext) -> policy.Decision | None:
    document = context.api.document.policy
    if not document:
        return None
    request = context.request
    conditions = {"aws:SourceIp": request.source_ip, "aws:SecureTransport": str(request.scheme == "https").lower()}
    if request.header("user-agent"):
        conditions["aws:UserAgent"] = str(request.header("user-agent"))
    if request.header("referer"):
        conditions["aws:Referer"] = str(request.header("referer"))
    try:
        expanded = _expand(document, context.api)
        return policy.evaluate(expanded, "execute-api:Invoke", context.method_arn, conditions, ["*"])
    except policy.BadPolicy as error:
        raise GatewayError("API_CONFIGURATION_ERROR", reason=f"resource policy: {error}") from None


def _expand(document: Mapping[str, Any], api: Api) -> dict[str, Any]:
    """The policy with ARNs for short forms: `execute-api:/stage/METHOD/path` is the ARN of this API."""

    def full(resource: Any) -> Any:
        if isinstance(resource, list):
            return [full(item) for item in resource]
        short = isinstance(resource, str) and resource.startswith("execute-api:/")
        return f"{api.root_arn}/{resource.removeprefix('execute-api:/')}" if short else resource

    return {
        **document,
        "Statement": [
            {key: full(value) if key in ("Resource", "NotResource") else value for key, value in statement.items()}
            for statement in policy.statements(document)
        ],
    }
