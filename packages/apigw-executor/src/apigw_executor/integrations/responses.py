"""The method response that a backend's answer is mapped to.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-integration-settings-integration-response.html
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from apigw_executor import json_text, mapping
from apigw_executor.context import RequestContext
from apigw_executor.document import Integration, IntegrationResponse
from apigw_executor.messages import Response, media_type
from apigw_executor.ports import Answer
from apigw_executor.responses import GatewayError, header_text
from apigw_executor.vtl.values import to_string


def method_response(context: RequestContext, integration: Integration, answer: Answer, selector: str) -> Response:
    """The response to the client: the integration response that `selector` fits, its template, parameters and overrides."""
    sources = context.sources
    rule = select(integration.responses, selector)
    sources.context["integration"] = {"status": answer.status, "integrationStatus": answer.status}
    sources.response_headers = answer.headers
    sources.response_body = answer.body.decode("utf-8", "replace")
    content_type, template = _response_template(rule, sources.request.header("accept"))
    response = Response(rule.status, [("Content-Type", content_type)], _handled(answer, rule))
    # The template runs before the parameters are mapped, so that its overrides win.
    if template is not None:
        text = mapping.render(template, sources.response_body, sources.params, sources.context, sources.stage_variables)
        response.body = json_text.encode(text)
    for target, expression in rule.parameters.items():
        value = sources.text(expression)
        if value is not None:
            response.set(target.removeprefix("method.response.header."), header_text(value))
    override = sources.context.get("responseOverride") or {}
    for name, value in (override.get("header") or {}).items():
        response.set(str(name), header_text(to_string(value)))
    if override.get("status") is not None:
        response.status = _status(override["status"])
    return response


def select(responses: tuple[IntegrationResponse, ...], selector: str) -> IntegrationResponse:
    """The first response whose pattern fits the whole `selector`, else the default one; API_CONFIGURATION_ERROR if
    none."""
    for response in responses:
        if response.pattern is not None and selector and response.pattern.fullmatch(selector):
            return response
    for response in responses:
        if response.pattern is None:
            return response
    raise GatewayError("API_CONFIGURATION_ERROR", reason=f"no integration response for {selector!r} and no default one")


def _status(value: Any) -> int:
    try:
        status = int(value)
    except (TypeError, ValueError):
        status = 0
    if not 200 <= status <= 599:
        raise GatewayError("DEFAULT_5XX", reason=f"responseOverride.status is {value!r}")
    return status


def _response_template(rule: IntegrationResponse, accept: str | None) -> tuple[str, str | None]:
    """(Content-Type, template or None) by the client's Accept, then application/json, then the first there is."""
    templates = {media_type(key): (key, template) for key, template in rule.templates.items() if template is not None}
    if not templates:
        return "application/json", None
    for part in (accept or "").split(","):
        if media_type(part) in templates:
            return templates[media_type(part)]
    return templates.get("application/json") or next(iter(templates.values()))


def _handled(answer: Answer, rule: IntegrationResponse) -> bytes:
    if rule.content_handling == "CONVERT_TO_BINARY":
        return decode_base64(answer.body)
    if rule.content_handling == "CONVERT_TO_TEXT":
        return base64.b64encode(answer.body)
    return answer.body


def decode_base64(body: bytes) -> bytes:
    """The bytes of base64 text. Raises GatewayError."""
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise GatewayError("API_CONFIGURATION_ERROR", reason="CONVERT_TO_BINARY of what is not base64") from None
