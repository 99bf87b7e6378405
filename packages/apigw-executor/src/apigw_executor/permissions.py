"""The permission of API Gateway to invoke a function."""

from __future__ import annotations

import contextlib

from apigw_executor import policy
from apigw_executor.context import RequestContext
from apigw_executor.responses import GatewayError


def check_function(context: RequestContext, function: str, role: str | None, source_arn: str, kind: str) -> None:
    """Without a role, the function's own policy must let API Gateway invoke it for this API; `kind` if it does not.

    https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html#apigateway-permissions
    """
    if role is not None:
        return
    document = context.runtime.cloud.function_policy(function)
    decision: policy.Decision = "implicit-deny"
    if document is not None:
        conditions = {"aws:SourceArn": source_arn, "aws:SourceAccount": context.api.account}
        with contextlib.suppress(policy.BadPolicy):
            decision = policy.evaluate(
                document, "lambda:InvokeFunction", function, conditions, ["apigateway.amazonaws.com"]
            )
    if decision != "allow":
        raise GatewayError(kind, reason=f"Invalid permissions on Lambda function {function} for {source_arn}")
