"""API keys, and the throttles and quotas of their usage plans.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-usage-plans.html
"""

from __future__ import annotations

from apigw_executor.context import RequestContext
from apigw_executor.deployment import ApiKey, UsagePlan
from apigw_executor.document import Operation
from apigw_executor.responses import GatewayError


def check_api_key(context: RequestContext) -> None:
    """Refuses a request whose key is in no plan of the stage, or beyond its limits. Other operations ignore keys."""
    if not context.operation.api_key_required:
        return
    from_authorizer = context.api.document.api_key_source == "AUTHORIZER"
    value = context.usage_key if from_authorizer else context.request.header("x-api-key")
    key = context.deployment.keys.get(value or "")
    plan = _plan(context, key)
    if key is None or plan is None:
        raise GatewayError("INVALID_API_KEY")
    identity = context.variables["identity"]
    identity["apiKey"], identity["apiKeyId"] = value, key.key_id
    _take(context, plan, key)


def _plan(context: RequestContext, key: ApiKey | None) -> UsagePlan | None:
    """The first usage plan of the key that includes the stage."""
    plans = context.deployment.plans
    names = key.plans if key and key.enabled else ()
    return next((plans[name] for name in names if name in plans and context.stage_key in plans[name].stages), None)


def _take(context: RequestContext, plan: UsagePlan, key: ApiKey) -> None:
    """Counts the request against the throttle of the method, the throttle of the plan, and its quota."""
    runtime, operation = context.runtime, context.operation
    owner = (plan.plan_id, key.key_id)
    limits = plan.stages[context.stage_key]
    method = next((limits[route] for route in _routes(operation) if route in limits), None)
    method_key = (*owner, *context.stage_key, operation.resource_path, operation.method)
    if method is not None and not runtime.buckets.take(method_key, method):
        raise GatewayError("THROTTLED")
    if plan.limits is not None and not runtime.buckets.take(owner, plan.limits):
        raise GatewayError("THROTTLED")
    if plan.quota is not None and not runtime.quotas.take(owner, plan.quota):
        raise GatewayError("QUOTA_EXCEEDED")


def _routes(operation: Operation) -> tuple[tuple[str, str], ...]:
    return (operation.resource_path, operation.method), (operation.resource_path, "*")
