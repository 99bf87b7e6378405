"""HTTP custom integrations: any endpoint, with mapping.

https://docs.aws.amazon.com/apigateway/latest/developerguide/setup-http-integrations.html
"""

from __future__ import annotations

from apigw_executor.context import RequestContext
from apigw_executor.document import Integration
from apigw_executor.integrations.requests import endpoint_url, http_method, map_request
from apigw_executor.integrations.responses import method_response
from apigw_executor.messages import Response, merge_headers


def run(context: RequestContext, integration: Integration) -> Response:
    """The mapped answer of the endpoint."""
    mapped = map_request(context, integration)
    headers = merge_headers({"Content-Type": "application/json"}, mapped.headers)
    url = endpoint_url(context.sources, integration, mapped.path, mapped.query)
    method = http_method(context, integration)
    answer = context.runtime.web.send(method, url, tuple(headers.items()), mapped.body, timeout=integration.timeout)
    return method_response(context, integration, answer, str(answer.status))
