"""Integrations: what is sent to a backend and how its answer becomes the method's response.

https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-integration-settings.html

Each kind is a module with `run(context, integration)`. `requests` and `responses` map to and from backends, `headers` has
the headers that API Gateway does not pass on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from apigw_executor import mapping, services
from apigw_executor.context import RequestContext
from apigw_executor.document import Integration
from apigw_executor.integrations import aws, http, http_proxy, lambda_proxy, mock
from apigw_executor.messages import Response
from apigw_executor.ports import BackendTimeout, BackendUnreachable, RoleUnusable
from apigw_executor.responses import GatewayError

KINDS: Mapping[str, Callable[[RequestContext, Integration], Response]] = {
    "aws": aws.run,
    "aws_proxy": lambda_proxy.run,
    "http": http.run,
    "http_proxy": http_proxy.run,
    "mock": mock.run,
}


def run(context: RequestContext, integration: Integration) -> Response:
    """The response of the method. Raises GatewayError for errors of the integration."""
    try:
        return KINDS[integration.kind](context, integration)
    except BackendTimeout as error:
        raise GatewayError("INTEGRATION_TIMEOUT", reason=str(error)) from None
    except BackendUnreachable as error:
        raise GatewayError("INTEGRATION_FAILURE", reason=str(error)) from None
    except (RoleUnusable, services.BadUri) as error:
        raise GatewayError("API_CONFIGURATION_ERROR", reason=str(error)) from None
    except mapping.TemplateFault as error:
        raise GatewayError("DEFAULT_5XX", reason=f"mapping template: {error}") from None
