"""Integrations: what is sent to a backend and how its answer becomes the method's response.

https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-integration-settings.html
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from apigw_executor import java, json_text, mapping, services
from apigw_executor.document import Integration, IntegrationResponse
from apigw_executor.messages import Request, Response, matches_media_type, media_type, merge_headers, multi
from apigw_executor.parameters import Sources
from apigw_executor.ports import Answer, BackendTimeout, BackendUnreachable, Cloud, Invocation, RoleUnusable, Web
from apigw_executor.responses import GatewayError, header_text

LOG = logging.getLogger(__name__)

# Hop-by-hop on the way in: a proxy never passes these on (RFC 9110, section 7.6.1), and lengths are made anew.
_DROPPED = frozenset(
    {
        "connection",
        "content-length",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "keep-alive",
        "expect",
        "proxy-authorization",
    }
)
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html: of a proxy integration's
# response these reach the client as x-amzn-Remapped-<name>, and those below not at all.
REMAPPED = frozenset(
    {"authorization", "connection", "content-md5", "date", "max-forwards", "server", "user-agent", "www-authenticate"}
)
NOT_RETURNED = frozenset(
    {"content-length", "expect", "host", "keep-alive", "proxy-authenticate", "te", "trailer", "transfer-encoding"}
    | {"upgrade"}
)
_PROXY_KEYS = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})
_MISCONFIGURED = "API_CONFIGURATION_ERROR"

InvokeFunction = Callable[[str, bytes, str | None, bool, float], Invocation]
"""(function ARN, payload, role, asynchronous, timeout) to its outcome, the function's own policy checked without a
role."""


class Integrator:
    """Runs integrations against the backends it was given."""

    def __init__(self, cloud: Cloud, web: Web) -> None:
        self._cloud, self._web = cloud, web

    def run(
        self,
        integration: Integration,
        sources: Sources,
        event: Callable[[], dict[str, Any]],
        binary_types: tuple[str, ...],
        invoke: InvokeFunction,
    ) -> Response:
        """The response of the method. `event` makes the Lambda proxy event. GatewayError for what the gateway answers
        itself."""
        try:
            if integration.kind == "aws_proxy":
                return self._lambda_proxy(integration, sources, event(), binary_types, invoke)
            if integration.kind == "http_proxy":
                return self._http_proxy(integration, sources)
            if integration.kind in ("mock", "aws", "http"):
                return self._mapped(integration, sources, binary_types, invoke)
        except BackendTimeout as error:
            raise GatewayError("INTEGRATION_TIMEOUT", reason=str(error)) from None
        except BackendUnreachable as error:
            raise GatewayError("INTEGRATION_FAILURE", reason=str(error)) from None
        except (RoleUnusable, services.BadUri) as error:
            raise GatewayError(_MISCONFIGURED, reason=str(error)) from None
        except mapping.TemplateFault as error:
            raise GatewayError("DEFAULT_5XX", reason=f"mapping template: {error}") from None
        raise GatewayError(_MISCONFIGURED, reason=f"integration type {integration.kind or 'none'}")

    # --- proxies ---

    def _lambda_proxy(
        self,
        integration: Integration,
        sources: Sources,
        event: dict[str, Any],
        binary_types: tuple[str, ...],
        invoke: InvokeFunction,
    ) -> Response:
        function = services.parse(stage_expanded(integration.uri, sources.stage_variables)).function
        if function is None:
            raise GatewayError(_MISCONFIGURED, reason=f"aws_proxy takes a Lambda function, not {integration.uri}")
        payload = json_text.encode(json_text.dump(event))
        outcome = invoke(function, payload, integration.credentials, False, integration.timeout)
        sources.context["integration"] = {"status": outcome.status, "integrationStatus": outcome.status}
        if outcome.function_error is not None:
            raise GatewayError("DEFAULT_5XX", status=502, reason=f"Lambda execution failed: {outcome.payload[:2000]!r}")
        if outcome.status == 429:
            # https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway-errors.html: a throttled function is a
            # 500.
            raise GatewayError("DEFAULT_5XX", reason="the function is throttled")
        if outcome.status >= 300:
            raise GatewayError("DEFAULT_5XX", reason=f"Lambda answered {outcome.status}: {outcome.payload[:2000]!r}")
        try:
            return proxy_response(outcome.payload, sources.request, binary_types)
        except ValueError as error:
            raise GatewayError("DEFAULT_5XX", status=502, reason=f"Malformed Lambda proxy response: {error}") from None

    def _http_proxy(self, integration: Integration, sources: Sources) -> Response:
        request = sources.request
        headers = {name: value for name, value in request.headers if name.lower() not in _DROPPED | {"host"}}
        mapped_headers, query, path = _request_parameters(integration, sources)
        headers = merge_headers(headers, mapped_headers)
        url = _url(integration, sources, {**sources.decoded_path, **path}, (*request.query, *query))
        method = request.method if integration.method == "ANY" else integration.method
        answer = self._web.send(method, url, tuple(headers.items()), request.body, timeout=integration.timeout)
        return Response(answer.status, _passed_headers(answer), answer.body)

    # --- mapped integrations ---

    def _mapped(
        self, integration: Integration, sources: Sources, binary_types: tuple[str, ...], invoke: InvokeFunction
    ) -> Response:
        request = sources.request
        template = _request_template(integration, request.content_type)
        headers, query, path = _request_parameters(integration, sources)
        text = sources.request_body
        body = request.body
        binary = matches_media_type(request.content_type, binary_types)
        if template is not None:
            try:
                rendered = mapping.render(template, text, sources.params, sources.context, sources.stage_variables)
            except mapping.PayloadTooLarge as error:
                raise GatewayError("REQUEST_TOO_LARGE", reason=f"mapping template: {error}") from None
            body = json_text.encode(rendered)
        elif integration.content_handling == "CONVERT_TO_BINARY" and not binary:
            body = _decoded(body)
        elif integration.content_handling == "CONVERT_TO_TEXT" and binary:
            body = base64.b64encode(body)
        overrides = sources.context.get("requestOverride") or {}
        headers = merge_headers(headers, _texts(overrides.get("header")))
        path = {**path, **_texts(overrides.get("path"))}
        replaced = _texts(overrides.get("querystring"))
        query = tuple(pair for pair in query if pair[0] not in replaced) + tuple(replaced.items())
        if integration.kind == "mock":
            return self._mock(integration, sources, body)
        if integration.kind == "http":
            return self._http(integration, sources, headers, query, path, body)
        uri = services.parse(stage_expanded(integration.uri, sources.stage_variables))
        if uri.function is not None:
            return self._lambda(integration, uri.function, sources, headers, body, invoke)
        if not integration.credentials or "user/*" in integration.credentials:
            raise GatewayError(
                _MISCONFIGURED, reason=f"integration {integration.uri} needs the ARN of a role as credentials"
            )
        call = services.build(uri, integration.method, path, query, headers, body)
        answer = self._cloud.call(call, role=integration.credentials, timeout=integration.timeout)
        return _method_response(integration, sources, answer, str(answer.status))

    def _mock(self, integration: Integration, sources: Sources, body: bytes) -> Response:
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-mock-integration.html: the request
        # template must return {"statusCode": N}, which selects the integration response.
        try:
            value = json_text.parse(body)
            status = int(value["statusCode"])
        except (json_text.MalformedJson, KeyError, TypeError, ValueError):
            raise GatewayError(
                "DEFAULT_5XX", reason=f"the mock's template gives no statusCode: {body[:500]!r}"
            ) from None
        answer = Answer(status, (), b"")
        return _method_response(integration, sources, answer, str(status))

    def _http(
        self,
        integration: Integration,
        sources: Sources,
        headers: dict[str, str],
        query: tuple[tuple[str, str], ...],
        path: dict[str, str],
        body: bytes,
    ) -> Response:
        headers = merge_headers({"Content-Type": "application/json"}, headers)
        url = _url(integration, sources, path, query)
        method = sources.request.method if integration.method == "ANY" else integration.method
        answer = self._web.send(method, url, tuple(headers.items()), body, timeout=integration.timeout)
        return _method_response(integration, sources, answer, str(answer.status))

    def _lambda(
        self,
        integration: Integration,
        function: str,
        sources: Sources,
        headers: dict[str, str],
        body: bytes,
        invoke: InvokeFunction,
    ) -> Response:
        kind = next((value for name, value in headers.items() if name.lower() == "x-amz-invocation-type"), "")
        outcome = invoke(function, body or b"{}", integration.credentials, kind == "Event", integration.timeout)
        answer = Answer(outcome.status, (), outcome.payload)
        selector = ""
        if outcome.function_error is not None:
            selector = _error_message(outcome.payload)
        elif outcome.status >= 300:
            raise GatewayError("DEFAULT_5XX", reason=f"Lambda answered {outcome.status}: {outcome.payload[:2000]!r}")
        return _method_response(integration, sources, answer, selector)


def stage_expanded(uri: str, stage_variables: Mapping[str, str]) -> str:
    """`uri` with `${stageVariables.x}` replaced; one that the stage does not have becomes empty."""
    return re.sub(r"\$\{stageVariables\.(\w+)\}", lambda match: stage_variables.get(match[1], ""), uri)


def _texts(values: Any) -> dict[str, str]:
    """An override map as text; a list of values keeps its last."""
    found: dict[str, str] = {}
    for name, value in (values or {}).items():
        last = value[-1] if isinstance(value, list) and value else value
        if last is not None:
            found[str(name)] = header_text(java.text(last))
    return found


def _request_template(integration: Integration, content_type: str) -> str | None:
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


def _request_parameters(
    integration: Integration, sources: Sources
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
            wanted = expression.rsplit(".", 1)[-1]
            query += [(name, value) for key, value in sources.request.query if key == wanted]
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


def _url(
    integration: Integration, sources: Sources, path: Mapping[str, str], query: tuple[tuple[str, str], ...]
) -> str:
    uri = stage_expanded(integration.uri, sources.stage_variables)
    uri = re.sub(r"\{([\w.-]+)\+?\}", lambda match: quote(path.get(match[1], ""), safe="/~:@!$&'()*+,;="), uri)
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise GatewayError(_MISCONFIGURED, reason=f"not an endpoint: {uri}")
    fields = [*parse_qsl(parts.query, keep_blank_values=True), *query]
    return parts._replace(query=urlencode(fields)).geturl()


def _passed_headers(answer: Answer) -> list[tuple[str, str]]:
    return [(_returned(name), value) for name, value in answer.headers if name.lower() not in NOT_RETURNED]


def _returned(name: str) -> str:
    """The name under which the client gets a header of a proxy integration."""
    return f"x-amzn-Remapped-{name}" if name.lower() in REMAPPED else name


def _error_message(payload: bytes) -> str:
    """The text that selects a Lambda error's response: errorMessage, or the whole payload if it has none."""
    try:
        value = json_text.parse(payload)
    except json_text.MalformedJson:
        return payload.decode("utf-8", "replace")
    message = value.get("errorMessage") if isinstance(value, dict) else None
    return message if isinstance(message, str) and message else "null"


def select(responses: tuple[IntegrationResponse, ...], selector: str) -> IntegrationResponse:
    """The first response whose pattern fits the whole `selector`, else the default one; API_CONFIGURATION_ERROR if
    none."""
    for response in responses:
        if response.pattern is not None and selector and response.pattern.fullmatch(selector):
            return response
    for response in responses:
        if response.pattern is None:
            return response
    raise GatewayError(_MISCONFIGURED, reason=f"no integration response for {selector!r} and no default one")


def _method_response(integration: Integration, sources: Sources, answer: Answer, selector: str) -> Response:
    chosen = select(integration.responses, selector)
    sources.context["integration"] = {"status": answer.status, "integrationStatus": answer.status}
    sources.response_headers = answer.headers
    sources.response_body = answer.body.decode("utf-8", "replace")
    content_type, template = _response_template(chosen, sources.request.header("accept"))
    response = Response(chosen.status, [("Content-Type", content_type)], _handled(answer, chosen))
    # The template runs before the parameters are mapped, so that its overrides win.
    if template is not None:
        text = mapping.render(template, sources.response_body, sources.params, sources.context, sources.stage_variables)
        response.body = json_text.encode(text)
    for target, expression in chosen.parameters.items():
        value = sources.text(expression)
        if value is not None:
            response.set(target.removeprefix("method.response.header."), header_text(value))
    override = sources.context.get("responseOverride") or {}
    for name, value in (override.get("header") or {}).items():
        response.set(str(name), header_text(java.text(value)))
    if override.get("status") is not None:
        response.status = _status(override["status"])
    return response


def _status(value: Any) -> int:
    try:
        status = int(value)
    except (TypeError, ValueError):
        status = 0
    if not 200 <= status <= 599:
        raise GatewayError("DEFAULT_5XX", reason=f"responseOverride.status is {value!r}")
    return status


def _response_template(chosen: IntegrationResponse, accept: str | None) -> tuple[str, str | None]:
    """(Content-Type, template or None) by the client's Accept, then application/json, then the first there is."""
    templates = {media_type(key): (key, template) for key, template in chosen.templates.items() if template is not None}
    if not templates:
        return "application/json", None
    for part in (accept or "").split(","):
        if media_type(part) in templates:
            return templates[media_type(part)]
    return templates.get("application/json") or next(iter(templates.values()))


def _handled(answer: Answer, chosen: IntegrationResponse) -> bytes:
    if chosen.content_handling == "CONVERT_TO_BINARY":
        return _decoded(answer.body)
    if chosen.content_handling == "CONVERT_TO_TEXT":
        return base64.b64encode(answer.body)
    return answer.body


def _decoded(body: bytes) -> bytes:
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise GatewayError(_MISCONFIGURED, reason="CONVERT_TO_BINARY of what is not base64") from None


# --- the Lambda proxy's own response ---


def proxy_response(payload: bytes, request: Request, binary_types: tuple[str, ...]) -> Response:
    """The response in a Lambda proxy function's output; ValueError if the output is malformed.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html, "Output
    format".
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
    sent = {(name.lower(), str(item)) for name, item in pairs}
    pairs += [(name, item) for name, item in single.items() if (name.lower(), str(item)) not in sent]
    headers = []
    for name, item in pairs:
        if isinstance(item, dict | list):
            raise ValueError(f"header {name} is not text")
        if item is None:
            continue
        if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            raise ValueError(f"header name {name!r}")
        if name.lower() not in NOT_RETURNED:
            headers.append((_returned(name), header_text(java.text(item))))
    return headers


def proxy_event(
    request: Request,
    resource_path: str,
    path_parameters: Mapping[str, str],
    stage_variables: Mapping[str, str],
    request_context: Mapping[str, Any],
    binary_types: tuple[str, ...],
) -> dict[str, Any]:
    """The Lambda proxy event, format 1.0; absent maps are null, as in AWS.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html, "Input
    format".
    """
    event = request_event(request, resource_path, path_parameters, stage_variables, request_context)
    binary = bool(request.body) and matches_media_type(request.content_type, binary_types)
    body: str | None = None
    if request.body:
        body = base64.b64encode(request.body).decode() if binary else request.body.decode("utf-8", "replace")
    return {**event, "body": body, "isBase64Encoded": binary}


def request_event(
    request: Request,
    resource_path: str,
    path_parameters: Mapping[str, str],
    stage_variables: Mapping[str, str],
    request_context: Mapping[str, Any],
) -> dict[str, Any]:
    """What a proxy event and a REQUEST authorizer's event have in common."""
    headers = [(name, value) for name, value in request.headers if name.lower() not in _DROPPED]
    return {
        "resource": resource_path,
        "path": request.public_path or request.path,
        "httpMethod": request.method,
        "headers": dict(headers) or None,
        "multiValueHeaders": multi(headers) or None,
        "queryStringParameters": request.last_query or None,
        "multiValueQueryStringParameters": multi(request.query) or None,
        "pathParameters": dict(path_parameters) or None,
        "stageVariables": dict(stage_variables) or None,
        "requestContext": dict(request_context),
    }
