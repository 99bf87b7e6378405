"""Lambda custom integrations: the mapped body is the event, and the function's error selects the response.

https://docs.aws.amazon.com/apigateway/latest/developerguide/handle-errors-in-lambda-integration.html
"""

from __future__ import annotations

from apigw_executor import json_text, permissions
from apigw_executor.context import RequestContext
from apigw_executor.document import Integration
from apigw_executor.integrations.requests import MappedRequest
from apigw_executor.integrations.responses import method_response
from apigw_executor.messages import Response, first_by_name
from apigw_executor.ports import Answer, Invocation
from apigw_executor.responses import GatewayError


def run(context: RequestContext, integration: Integration, function: str, mapped: MappedRequest) -> Response:
    """The mapped output of the function. X-Amz-Invocation-Type: Event invokes it asynchronously."""
    asynchronous = first_by_name(mapped.headers.items(), "x-amz-invocation-type") == "Event"
    outcome = invoke(context, integration, function, mapped.body or b"{}", asynchronous=asynchronous)
    selector = ""
    if outcome.function_error is not None:
        selector = _error_message(outcome.payload)
    elif outcome.status >= 300:
        raise GatewayError("DEFAULT_5XX", reason=f"Lambda answered {outcome.status}: {outcome.payload[:2000]!r}")
    return method_response(context, integration, Answer(outcome.status, (), outcome.payload), selector)


def invoke(
    context: RequestContext, integration: Integration, function: str, payload: bytes, *, asynchronous: bool = False
) -> Invocation:
    """Invokes the function with the role of the integration, or by the function's own policy."""
    role = integration.credentials
    permissions.check_function(context, function, role, context.integration_arn, "API_CONFIGURATION_ERROR")
    return context.runtime.cloud.invoke(
        function, payload, role=role, asynchronous=asynchronous, timeout=integration.timeout
    )


def _error_message(payload: bytes) -> str:
    """The text that selects a Lambda error's response: errorMessage, or the whole payload if it has none."""
    try:
        value = json_text.parse(payload)
    except json_text.MalformedJson:
        return payload.decode("utf-8", "replace")
    message = value.get("errorMessage") if isinstance(value, dict) else None
    return message if isinstance(message, str) and message else "null"
