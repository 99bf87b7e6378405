"""Lambda proxy integrations.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from apigw_executor import json_text, services
from apigw_executor.context import RequestContext
from apigw_executor.document import Integration
from apigw_executor.events import proxy_event
from apigw_executor.integrations.headers import NOT_RETURNED, returned_name
from apigw_executor.integrations.lambda_custom import invoke
from apigw_executor.integrations.requests import expand_uri
from apigw_executor.messages import Request, Response, matches_media_type, media_type
from apigw_executor.responses import GatewayError, header_text
from apigw_executor.vtl.values import to_string

_PROXY_KEYS = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})


def run(context: RequestContext, integration: Integration) -> Response:
    """The response that the function returns for the proxy event."""
    function = services.parse(expand_uri(integration.uri, context.sources.stage_variables)).function
    if function is None:
        reason = f"aws_proxy takes a Lambda function, not {integration.uri}"
        raise GatewayError("API_CONFIGURATION_ERROR", reason=reason)
    payload = json_text.encode(json_text.dump(proxy_event(context)))
    outcome = invoke(context, integration, function, payload)
    context.variables["integration"] = {"status": outcome.status, "integrationStatus": outcome.status}
    if outcome.function_error is not None:
        raise GatewayError("DEFAULT_5XX", status=502, reason=f"Lambda execution failed: {outcome.payload[:2000]!r}")
    if outcome.status == 429:
        # https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway-errors.html: a throttled function is a 500.
        raise GatewayError("DEFAULT_5XX", reason="the function is throttled")
    if outcome.status >= 300:
        raise GatewayError("DEFAULT_5XX", reason=f"Lambda answered {outcome.status}: {outcome.payload[:2000]!r}")
    try:
        return proxy_response(outcome.payload, context.request, context.api.document.binary_media_types)
    except ValueError as error:
        raise GatewayError("DEFAULT_5XX", status=502, reason=f"Malformed Lambda proxy response: {error}") from None


def proxy_response(payload: bytes, request: Request, binary_types: tuple[str, ...]) -> Response:
    """The response in a Lambda proxy function's output; ValueError if the output is malformed.

    See "Output format" of the documentation above.
    """
    value = json_text.parse(payload)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    unknown = set(value) - _PROXY_KEYS
    if unknown:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    status = value.get("statusCode", 200)
    if isinstance(status, str) and status.isascii() and status.isdigit():
        status = int(status)
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise ValueError(f"statusCode {status!r}")
    body = value.get("body")
    if body is not None and not isinstance(body, str):
        raise ValueError("body is not text")
    response = Response(status, _proxy_headers(value), json_text.encode(body or ""))
    if value.get("isBase64Encoded") is True and _wants_binary(request, binary_types):
        try:
            response.body = base64.b64decode(body or "", validate=True)
        except binascii.Error:
            raise ValueError("body is not base64") from None
    if response.header("content-type") is None:
        response.headers.append(("Content-Type", "application/json"))
    return response


def _wants_binary(request: Request, binary_types: tuple[str, ...]) -> bool:
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/lambda-proxy-binary-media.html: the first media
    # type of Accept decides, and */* in binaryMediaTypes covers a request without one.
    accept = media_type((request.header("accept") or "*/*").split(",", 1)[0])
    return matches_media_type(accept, binary_types)


def _proxy_headers(value: Mapping[str, Any]) -> list[tuple[str, str]]:
    single, several = value.get("headers") or {}, value.get("multiValueHeaders") or {}
    if not isinstance(single, dict) or not isinstance(several, dict):
        raise ValueError("headers are not a map")
    pairs: list[tuple[str, Any]] = []
    for name, values in several.items():
        if not isinstance(values, list):
            raise ValueError(f"multiValueHeaders {name} is not a list")
        pairs += [(name, item) for item in values]
    # Where both name a header, the values of both are sent, each once.
    present = {(name.lower(), str(item)) for name, item in pairs}
    pairs += [(name, item) for name, item in single.items() if (name.lower(), str(item)) not in present]
    headers = []
    for name, item in pairs:
        if isinstance(item, dict | list):
            raise ValueError(f"header {name} is not text")
        if item is None:
            continue
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ValueError(f"header name {name!r}")
        if name.lower() not in NOT_RETURNED:
            headers.append((returned_name(name), header_text(to_string(item))))
    return headers
