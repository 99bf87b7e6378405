"""The request that an integration sends: its template, its parameters, overrides, URL.

https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from apigw_executor import json_text, mapping
from apigw_executor.context import RequestContext
from apigw_executor.document import Integration
from apigw_executor.integrations.responses import decode_base64
from apigw_executor.messages import Pairs, matches_media_type, media_type, merge_headers
from apigw_executor.parameters import Sources
from apigw_executor.responses import GatewayError, header_text
from apigw_executor.vtl.values import to_string


@dataclass(frozen=True)
class MappedRequest:
    """The integration request of the kinds that map: `path` has the values of `{name}` in the URI."""

    headers: dict[str, str]
    query: Pairs
    path: dict[str, str]
    body: bytes


def map_request(context: RequestContext, integration: Integration) -> MappedRequest:
    """The integration request after the template, the parameters and `$context.requestOverride`."""
    template = _template(integration, context.request.content_type)
    headers, query, path = map_parameters(context.sources, integration)
    # The template runs after the parameters are read, and its overrides win.
    body = _body(context, integration, template)
    overrides = context.variables.get("requestOverride") or {}
    replaced = _texts(overrides.get("querystring"))
    return MappedRequest(
        headers=merge_headers(headers, _texts(overrides.get("header"))),
        query=tuple(pair for pair in query if pair[0] not in replaced) + tuple(replaced.items()),
        path={**path, **_texts(overrides.get("path"))},
        body=body,
    )


def _body(context: RequestContext, integration: Integration, template: str | None) -> bytes:
    request, sources = context.request, context.sources
    if template is not None:
        try:
            text = mapping.render(
                template, sources.request_body, sources.params, sources.context, sources.stage_variables
            )
        except mapping.PayloadTooLarge as error:
            raise GatewayError("REQUEST_TOO_LARGE", reason=f"mapping template: {error}") from None
        return json_text.encode(text)
    binary = matches_media_type(request.content_type, context.api.document.binary_media_types)
    if integration.content_handling == "CONVERT_TO_BINARY" and not binary:
        return decode_base64(request.body)
    if integration.content_handling == "CONVERT_TO_TEXT" and binary:
        return base64.b64encode(request.body)
    return request.body


def _template(integration: Integration, content_type: str) -> str | None:
    """The template for `content_type`, None to pass the body as it is; 415 where passthroughBehavior says so
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/integration-passthrough-behaviors.html)."""
    for key, template in integration.request_templates.items():
        if media_type(key) == content_type:
            return template
    if integration.passthrough == "never" or (
        integration.passthrough == "when_no_templates" and integration.request_templates
    ):
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE")
    return None


def map_parameters(
    sources: Sources, integration: Integration
) -> tuple[dict[str, str], tuple[tuple[str, str], ...], dict[str, str]]:
    """(headers, query, path values) of the integration request; a source that leads to nothing maps nothing."""
    headers: dict[str, str] = {}
    query: list[tuple[str, str]] = []
    path: dict[str, str] = {}
    for target, expression in integration.request_parameters.items():
        kind, _, name = target.removeprefix("integration.request.").partition(".")
        if kind in ("querystring", "multivaluequerystring") and expression.startswith(
            "method.request.multivaluequerystring."
        ):
            parameter = expression.rsplit(".", 1)[-1]
            query += [(name, value) for key, value in sources.request.query if key == parameter]
            continue
        value = sources.text(expression)
        if value is None:
            continue
        if kind in ("header", "multivalueheader"):
            headers[name] = header_text(value)
        elif kind == "path":
            path[name] = value
        elif kind in ("querystring", "multivaluequerystring"):
            query.append((name, value))
    return headers, tuple(query), path


def _texts(values: Any) -> dict[str, str]:
    """An override map as text; a list of values keeps its last."""
    texts: dict[str, str] = {}
    for name, value in (values or {}).items():
        last = value[-1] if isinstance(value, list) and value else value
        if last is not None:
            texts[str(name)] = header_text(to_string(last))
    return texts


def expand_uri(uri: str, stage_variables: Mapping[str, str]) -> str:
    """`uri` with `${stageVariables.x}` replaced; one that the stage does not have becomes empty."""
    return re.sub(r"\$\{stageVariables\.(\w+)\}", lambda match: stage_variables.get(match[1], ""), uri)


def endpoint_url(
    sources: Sources, integration: Integration, path: Mapping[str, str], query: tuple[tuple[str, str], ...]
) -> str:
    """The URL of an HTTP endpoint with the values of `path` and `query`."""
    uri = expand_uri(integration.uri, sources.stage_variables)
    uri = re.sub(r"\{([\w.-]+)\+?\}", lambda match: quote(path.get(match[1], ""), safe="/~:@!$&'()*+,;="), uri)
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise GatewayError("API_CONFIGURATION_ERROR", reason=f"not an endpoint: {uri}")
    fields = [*parse_qsl(parts.query, keep_blank_values=True), *query]
    return parts._replace(query=urlencode(fields)).geturl()


def http_method(context: RequestContext, integration: Integration) -> str:
    """The method of the request to an HTTP endpoint; ANY is that of the client."""
    return context.request.method if integration.method == "ANY" else integration.method
