"""The steps of a request through an API, each one a function of the context.

A step returns a response, which ends the request, or None. It raises GatewayError to end the request with a gateway
response.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from apigw_executor import integrations, models
from apigw_executor.authorizers import authorize
from apigw_executor.context import RequestContext
from apigw_executor.iam import check_iam
from apigw_executor.messages import Response
from apigw_executor.resource_policy import check_resource_policy
from apigw_executor.responses import GatewayError
from apigw_executor.usage_plans import check_api_key

Step = Callable[[RequestContext], Response | None]


def evaluate_web_acl(context: RequestContext) -> Response | None:
    """WAF, before all else
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-control-access-aws-waf.html)."""
    acl = context.api.web_acl
    verdict = context.runtime.firewall.evaluate(acl, context.request) if acl else None
    if verdict is None or verdict.action != "Block":
        return None
    if verdict.response is None:
        raise GatewayError("WAF_FILTERED")
    return verdict.response


def limit_size(context: RequestContext) -> None:
    """Refuses a body larger than a payload of API Gateway."""
    if len(context.request.body) > models.MAX_BODY:
        raise GatewayError("REQUEST_TOO_LARGE")


def match_route(context: RequestContext) -> None:
    """Finds the operation, and adds the resource to `$context`."""
    match = context.api.routes.match(context.request.path)
    operation = match.operation(context.request.method) if match else None
    if match is None or operation is None:
        raise GatewayError("MISSING_AUTHENTICATION_TOKEN")
    context.match, context.operation = match, operation
    context.sources.path_parameters = match.parameters
    context.variables["resourcePath"] = match.resource_path
    context.variables["resourceId"] = hashlib.sha256(match.resource_path.encode()).hexdigest()[:6]
    context.variables["operationName"] = operation.operation_name


def throttle(context: RequestContext) -> None:
    """Takes a token of the stage's or method's bucket."""
    setting, limits = context.api.stage.limits_for(context.operation)
    if not context.runtime.buckets.take((*context.stage_key, *setting), limits):
        raise GatewayError("THROTTLED")


def validate_parameters(context: RequestContext) -> None:
    """Refuses a request without a required parameter."""
    models.check_parameters(context.operation, context.request, context.match.parameters)


def validate_body(context: RequestContext) -> None:
    """Refuses a body that does not fit its model."""
    models.check_body(context.operation, context.request, context.api.document.schemas)


def integrate(context: RequestContext) -> Response:
    """The response of the integration, whose latency is measured."""
    if context.operation.integration is None:
        raise GatewayError("API_CONFIGURATION_ERROR", reason="the method has no integration")
    clock = context.runtime.clock
    started = clock.monotonic()
    try:
        return integrations.run(context, context.operation.integration)
    finally:
        context.integration_latency = (clock.monotonic() - started) * 1000


STEPS: tuple[Step, ...] = (
    evaluate_web_acl,
    limit_size,
    match_route,
    check_resource_policy,
    check_iam,
    authorize,
    check_api_key,
    throttle,
    validate_parameters,
    validate_body,
    integrate,
)
