"""One API's document, OpenAPI 3.0.1 or the Swagger 2.0 that SAM writes, with Amazon's extensions, as typed values.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apigw_executor.document_shape import AUTHORIZER, DOCUMENT, INTEGRATION, BadDocument, check

ANY = "ANY"
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_ANY_METHOD = "x-amazon-apigateway-any-method"


@dataclass(frozen=True)
class IntegrationResponse:
    """One entry of an integration's `responses`; `pattern` None is the `default` one."""

    pattern: re.Pattern[str] | None
    status: int
    templates: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    content_handling: str | None = None


@dataclass(frozen=True)
class Integration:
    """`x-amazon-apigateway-integration`. `kind` is aws, aws_proxy, http, http_proxy or mock; `timeout` is in
    seconds."""

    kind: str
    uri: str = ""
    method: str = "POST"
    credentials: str | None = None
    passthrough: str = "when_no_match"
    request_templates: Mapping[str, str] = field(default_factory=dict)
    request_parameters: Mapping[str, str] = field(default_factory=dict)
    responses: tuple[IntegrationResponse, ...] = ()
    timeout: float = 29.0
    content_handling: str | None = None


@dataclass(frozen=True)
class Authorizer:
    """A Lambda authorizer. `kind` is token or request; `sources` are mapping expressions such as
    `method.request.header.Authorization`; `ttl` is in seconds, 0 for no cache."""

    name: str
    kind: str
    uri: str
    credentials: str | None
    sources: tuple[str, ...]
    ttl: float
    validation: re.Pattern[str] | None


@dataclass(frozen=True)
class Parameter:
    """A declared request parameter; `location` is path, querystring or header."""

    name: str
    location: str
    required: bool


@dataclass(frozen=True)
class Operation:
    """One method of one resource."""

    method: str
    resource_path: str
    operation_name: str | None
    iam: bool
    authorizer: Authorizer | None
    api_key_required: bool
    validates_parameters: bool
    validates_body: bool
    parameters: tuple[Parameter, ...]
    models: Mapping[str, Any]
    integration: Integration | None
    responses: frozenset[str]


@dataclass(frozen=True)
class GatewayResponseRule:
    """One entry of `x-amazon-apigateway-gateway-responses`."""

    status: int | None
    templates: Mapping[str, str]
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Document:
    """A whole API. `resources` is resource path to method to operation; `schemas` holds what a model may refer to."""

    title: str
    resources: Mapping[str, Mapping[str, Operation]]
    gateway_responses: Mapping[str, GatewayResponseRule]
    binary_media_types: tuple[str, ...]
    api_key_source: str
    policy: Mapping[str, Any] | None
    schemas: Mapping[str, Any]


def read(raw: Mapping[str, Any]) -> Document:
    """The document in `raw`; BadDocument if it is none."""
    try:
        check(DOCUMENT, raw, "document")
        return _Reader(raw).document()
    except (TypeError, AttributeError, KeyError) as error:
        raise BadDocument(f"not an API document: {error!r}") from error


def _java_pattern(expression: str) -> re.Pattern[str]:
    try:
        return re.compile(expression, re.ASCII)
    except re.error as error:
        raise BadDocument(f"bad pattern {expression!r}: {error}") from None


class _Reader:
    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.components: Mapping[str, Any] = raw.get("components") or {}
        self.security_schemes: Mapping[str, Any] = (
            self.components.get("securitySchemes") or raw.get("securityDefinitions") or {}
        )
        self.validators: Mapping[str, Any] = raw.get("x-amazon-apigateway-request-validators") or {}

    def document(self) -> Document:
        resources = {
            path: self._methods(path, item)
            for path, item in (self.raw.get("paths") or {}).items()
            if isinstance(item, Mapping)
        }
        return Document(
            title=str((self.raw.get("info") or {}).get("title", "")),
            resources=resources,
            gateway_responses={
                name: GatewayResponseRule(
                    status=int(rule["statusCode"]) if (rule or {}).get("statusCode") else None,
                    templates=(rule or {}).get("responseTemplates") or {},
                    parameters=(rule or {}).get("responseParameters") or {},
                )
                for name, rule in (self.raw.get("x-amazon-apigateway-gateway-responses") or {}).items()
            },
            binary_media_types=tuple(self.raw.get("x-amazon-apigateway-binary-media-types") or ()),
            api_key_source=str(self.raw.get("x-amazon-apigateway-api-key-source", "HEADER")).upper(),
            policy=self.raw.get("x-amazon-apigateway-policy"),
            schemas={
                "components": {"schemas": self.components.get("schemas") or {}},
                "definitions": self.raw.get("definitions") or {},
            },
        )

    def _methods(self, path: str, item: Mapping[str, Any]) -> dict[str, Operation]:
        shared = item.get("parameters") or []
        methods = {name.upper(): item[name] for name in _METHODS if isinstance(item.get(name), Mapping)}
        if isinstance(item.get(_ANY_METHOD), Mapping):
            methods[ANY] = item[_ANY_METHOD]
        return {method: self._operation(method, path, raw, shared) for method, raw in methods.items()}

    def _operation(self, method: str, path: str, raw: Mapping[str, Any], shared: list[Any]) -> Operation:
        declared = {}
        for parameter in [*shared, *(raw.get("parameters") or [])]:
            resolved = self._resolved(parameter)
            declared[(resolved.get("in"), resolved.get("name"))] = resolved
        name = raw.get("x-amazon-apigateway-request-validator", self.raw.get("x-amazon-apigateway-request-validator"))
        validator = self.validators.get(name, {}) if name else {}
        iam, authorizer, api_key = self._security(raw)
        locations = {"query": "querystring", "header": "header", "path": "path"}
        return Operation(
            method=method,
            resource_path=path,
            operation_name=raw.get("operationId"),
            iam=iam,
            authorizer=authorizer,
            api_key_required=api_key,
            validates_parameters=bool(validator.get("validateRequestParameters")),
            validates_body=bool(validator.get("validateRequestBody")),
            parameters=tuple(
                Parameter(str(name), locations[str(location)], bool(parameter.get("required")))
                for (location, name), parameter in declared.items()
                if location in locations
            ),
            models=self._models(raw, declared),
            integration=self._integration(raw.get("x-amazon-apigateway-integration"), f"{method} {path}"),
            responses=frozenset(str(status) for status in raw.get("responses") or ()),
        )

    def _resolved(self, value: Any) -> Any:
        for _ in range(10):
            if not (isinstance(value, Mapping) and isinstance(value.get("$ref"), str)):
                return value
            target: Any = self.raw
            for step in value["$ref"].removeprefix("#/").split("/"):
                target = target[step.replace("~1", "/").replace("~0", "~")]
            value = target
        raise BadDocument("references refer to each other")

    def _models(self, raw: Mapping[str, Any], declared: Mapping[Any, Any]) -> dict[str, Any]:
        body = self._resolved(raw.get("requestBody"))
        if body:
            return {
                media_type.lower(): content["schema"]
                for media_type, content in (body.get("content") or {}).items()
                if isinstance(content, Mapping) and "schema" in content
            }
        for (location, _), parameter in declared.items():
            if location == "body" and "schema" in parameter:
                consumed = raw.get("consumes") or self.raw.get("consumes") or ["application/json"]
                return {media_type.lower(): parameter["schema"] for media_type in consumed}
        return {}

    def _security(self, raw: Mapping[str, Any]) -> tuple[bool, Authorizer | None, bool]:
        """(IAM, Lambda authorizer, API key required). All schemes that are named apply together."""
        iam = str((raw.get("x-amazon-apigateway-auth") or {}).get("type", "")).upper() == "AWS_IAM"
        authorizer = None
        api_key = False
        for requirement in raw.get("security", self.raw.get("security")) or ():
            for name in requirement:
                scheme = self.security_schemes.get(name) or {}
                if scheme.get("x-amazon-apigateway-authtype") == "awsSigv4":
                    iam = True
                elif "x-amazon-apigateway-authorizer" in scheme:
                    authorizer = self._authorizer(name, scheme)
                elif scheme.get("type") == "apiKey" and str(scheme.get("name", "")).lower() == "x-api-key":
                    api_key = True
        return iam, authorizer, api_key

    def _authorizer(self, name: str, scheme: Mapping[str, Any]) -> Authorizer:
        raw = scheme["x-amazon-apigateway-authorizer"]
        check(AUTHORIZER, raw, f"authorizer {name}")
        kind = str(raw.get("type", "token")).lower()
        source = raw.get("identitySource")
        if source is None and kind == "token":
            # A token authorizer's header may come from the scheme itself (`name`, `in: header`).
            source = f"method.request.header.{scheme.get('name', 'Authorization')}"
        validation = raw.get("identityValidationExpression")
        return Authorizer(
            name=name,
            kind=kind,
            uri=str(raw.get("authorizerUri", "")),
            credentials=raw.get("authorizerCredentials"),
            sources=tuple(part.strip() for part in str(source or "").split(",") if part.strip()),
            ttl=float(raw.get("authorizerResultTtlInSeconds", 300)),
            validation=_java_pattern(validation) if validation else None,
        )

    def _integration(self, raw: Mapping[str, Any] | None, place: str) -> Integration | None:
        if not raw:
            return None
        raw = self._resolved(raw)
        check(INTEGRATION, raw, f"integration of {place}")
        return Integration(
            kind=str(raw.get("type", "")).lower(),
            uri=str(raw.get("uri", "")),
            method=str(raw.get("httpMethod", "POST")).upper(),
            credentials=raw.get("credentials"),
            passthrough=str(raw.get("passthroughBehavior", "when_no_match")).lower(),
            request_templates=raw.get("requestTemplates") or {},
            request_parameters=raw.get("requestParameters") or {},
            responses=tuple(
                IntegrationResponse(
                    pattern=None if key == "default" else _java_pattern(str(key)),
                    status=int(rule.get("statusCode", 200)),
                    templates=rule.get("responseTemplates") or {},
                    parameters=rule.get("responseParameters") or {},
                    content_handling=rule.get("contentHandling"),
                )
                for key, rule in (raw.get("responses") or {}).items()
            ),
            timeout=float(raw.get("timeoutInMillis", 29000)) / 1000,
            content_handling=raw.get("contentHandling"),
        )
