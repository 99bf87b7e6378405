"""HTTP proxy integrations: the request goes to the endpoint, and its answer to the client, as they are.

https://docs.aws.amazon.com/apigateway/latest/developerguide/setup-http-integrations.html
"""

from __future__ import annotations

from apigw_executor.context import RequestContext
from apigw_executor.document import Integration
from apigw_executor.integrations.headers import NOT_RETURNED, returned_name
from apigw_executor.integrations.requests import endpoint_url, http_method, map_parameters
from apigw_executor.messages import HOP_BY_HOP, Response, merge_headers


def run(context: RequestContext, integration: Integration) -> Response:
    """The answer of the endpoint."""
    request, sources = context.request, context.sources
    headers = {name: value for name, value in request.headers if name.lower() not in HOP_BY_HOP | {"host"}}
    mapped, query, path = map_parameters(sources, integration)
    headers = merge_headers(headers, mapped)
    url = endpoint_url(sources, integration, {**sources.decoded_path, **path}, (*request.query, *query))
    method = http_method(context, integration)
    answer = context.runtime.web.send(method, url, tuple(headers.items()), request.body, timeout=integration.timeout)
    returned = [(returned_name(name), value) for name, value in answer.headers if name.lower() not in NOT_RETURNED]
    return Response(answer.status, returned, answer.body)
