"""AWS integrations: an action or a path of a service, called with a role; Lambda functions are `lambda_custom`.

https://docs.aws.amazon.com/apigateway/latest/api/API_Integration.html
"""

from __future__ import annotations

from apigw_executor import services
from apigw_executor.context import RequestContext
from apigw_executor.document import Integration
from apigw_executor.integrations import lambda_custom
from apigw_executor.integrations.requests import expand_uri, map_request
from apigw_executor.integrations.responses import method_response
from apigw_executor.messages import Response
from apigw_executor.responses import GatewayError


def run(context: RequestContext, integration: Integration) -> Response:
    """The mapped answer of the service. Raises BadUri, BackendTimeout, BackendUnreachable, RoleUnusable."""
    mapped = map_request(context, integration)
    uri = services.parse(expand_uri(integration.uri, context.sources.stage_variables))
    if uri.function is not None:
        return lambda_custom.run(context, integration, uri.function, mapped)
    if not integration.credentials or "user/*" in integration.credentials:
        raise GatewayError(
            "API_CONFIGURATION_ERROR", reason=f"integration {integration.uri} needs the ARN of a role as credentials"
        )
    request = services.build(uri, integration.method, mapped.path, mapped.query, mapped.headers, mapped.body)
    answer = context.runtime.cloud.call(request, role=integration.credentials, timeout=integration.timeout)
    return method_response(context, integration, answer, str(answer.status))
