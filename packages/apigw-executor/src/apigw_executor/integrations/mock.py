"""Mock integrations.

https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-mock-integration.html: the request template returns
`{"statusCode": N}`, which selects the integration response.
"""

from __future__ import annotations

from apigw_executor import json_text
from apigw_executor.context import RequestContext
from apigw_executor.document import Integration
from apigw_executor.integrations.requests import map_request
from apigw_executor.integrations.responses import method_response
from apigw_executor.messages import Response
from apigw_executor.ports import Answer
from apigw_executor.responses import GatewayError


def run(context: RequestContext, integration: Integration) -> Response:
    """The response for the status of the request template."""
    body = map_request(context, integration).body
    try:
        status = int(json_text.parse(body)["statusCode"])
    except (json_text.MalformedJson, KeyError, TypeError, ValueError):
        raise GatewayError("DEFAULT_5XX", reason=f"the mock's template gives no statusCode: {body[:500]!r}") from None
    return method_response(context, integration, Answer(status, (), b""), str(status))
