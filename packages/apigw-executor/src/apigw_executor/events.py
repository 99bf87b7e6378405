"""The events that functions get.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html, "Input format".
"""

from __future__ import annotations

import base64
from typing import Any

from apigw_executor.context import RequestContext
from apigw_executor.messages import HOP_BY_HOP, matches_media_type, multi

_CONTEXT = (
    "accountId", "apiId", "deploymentId", "domainName", "domainPrefix", "extendedRequestId", "httpMethod", "identity",
    "path", "protocol", "requestId", "requestTime", "requestTimeEpoch", "resourceId", "resourcePath", "stage",
)  # fmt: skip


def proxy_event(context: RequestContext) -> dict[str, Any]:
    """The Lambda proxy event, format 1.0; absent maps are null, as in AWS."""
    request = context.request
    binary_types = context.api.document.binary_media_types
    binary = bool(request.body) and matches_media_type(request.content_type, binary_types)
    body: str | None = None
    if request.body:
        body = base64.b64encode(request.body).decode() if binary else request.body.decode("utf-8", "replace")
    return {**request_event(context), "body": body, "isBase64Encoded": binary}


def request_event(context: RequestContext) -> dict[str, Any]:
    """The common members of a proxy event and a REQUEST authorizer's event."""
    request = context.request
    headers = [(name, value) for name, value in request.headers if name.lower() not in HOP_BY_HOP]
    return {
        "resource": context.match.resource_path,
        "path": request.public_path or request.path,
        "httpMethod": request.method,
        "headers": dict(headers) or None,
        "multiValueHeaders": multi(headers) or None,
        "queryStringParameters": request.last_query or None,
        "multiValueQueryStringParameters": multi(request.query) or None,
        "pathParameters": dict(context.match.parameters) or None,
        "stageVariables": dict(context.sources.stage_variables) or None,
        "requestContext": _request_context(context),
    }


def _request_context(context: RequestContext) -> dict[str, Any]:
    members = {name: context.variables[name] for name in _CONTEXT}
    optional = {name: context.variables.get(name) for name in ("operationName", "authorizer")}
    return members | {name: value for name, value in optional.items() if value}
