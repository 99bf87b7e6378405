"""The shape of an API document, as JSON Schema: what API Gateway refuses to import, so that requests never meet it.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

import textwrap
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match


class BadDocument(ValueError):
    """The document cannot be an API: API Gateway refuses to import it."""


_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_OPTIONAL_TEXTS = {"type": ["object", "null"], "additionalProperties": _TEXT}
# A template without text is an empty one.
_TEMPLATES = {"type": ["object", "null"], "additionalProperties": {"type": ["string", "null"]}}
_CONTENT_HANDLING = {"enum": ["CONVERT_TO_BINARY", "CONVERT_TO_TEXT", None]}
_STATUS = {"type": ["integer", "string"], "minimum": 100, "maximum": 599, "pattern": "^[1-5][0-9]{2}$"}
_SECONDS = {"type": ["integer", "string"], "minimum": 0, "maximum": 3600, "pattern": "^[0-9]{1,4}$"}
_MILLISECONDS = {"type": ["integer", "string"], "minimum": 50, "pattern": "^[0-9]{2,6}$"}


def _one_of(*values: str) -> dict[str, str]:
    """Any of `values`, in any case."""
    return {"type": "string", "pattern": f"(?i)^({'|'.join(values)})$"}


_RESPONSE = {
    "type": "object",
    "properties": {
        "statusCode": _STATUS,
        "responseTemplates": _TEMPLATES,
        "responseParameters": _OPTIONAL_TEXTS,
        "contentHandling": _CONTENT_HANDLING,
    },
}
INTEGRATION = Draft202012Validator(
    {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": _one_of("aws", "aws_proxy", "http", "http_proxy", "mock"),
            "uri": _TEXT,
            "httpMethod": _one_of("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "ANY"),
            "credentials": {"type": ["string", "null"]},
            "passthroughBehavior": _one_of("when_no_match", "when_no_templates", "never"),
            "requestTemplates": _TEMPLATES,
            "requestParameters": _OPTIONAL_TEXTS,
            "responses": {"type": ["object", "null"], "additionalProperties": _RESPONSE},
            "timeoutInMillis": _MILLISECONDS,
            "contentHandling": _CONTENT_HANDLING,
        },
        # "Enumeration value for HttpMethod must be non-empty"
        "if": {"properties": {"type": _one_of("mock")}},
        "else": {"required": ["httpMethod", "uri"]},
    }
)
AUTHORIZER = Draft202012Validator(
    {
        "type": "object",
        "properties": {
            "type": _one_of("token", "request", "cognito_user_pools"),
            "authorizerUri": _TEXT,
            "authorizerCredentials": {"type": ["string", "null"]},
            "authorizerResultTtlInSeconds": _SECONDS,
            "identitySource": {"type": ["string", "null"]},
            "identityValidationExpression": {"type": ["string", "null"]},
        },
    }
)
_OPERATION: dict[str, Any] = {
    "type": "object",
    "properties": {
        "parameters": {"type": ["array", "null"], "items": {"type": "object"}},
        "security": {"type": ["array", "null"], "items": {"type": "object"}},
        "responses": {"type": ["object", "null"]},
    },
}
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method")
_PATH_ITEM = {
    "type": "object",
    "properties": {**dict.fromkeys(_METHODS, _OPERATION), "parameters": _OPERATION["properties"]["parameters"]},
}
DOCUMENT = Draft202012Validator(
    {
        "type": "object",
        "required": ["paths"],
        "properties": {
            "info": {"type": "object"},
            "paths": {
                "type": "object",
                # Segments are literals, {name} or, in the last place, {name+}.
                "propertyNames": {
                    "pattern": r"^(x-.*|(/([^{}/]+|\{[^{}/+]+\}))*(/|/\{[^{}/+]+\+\})?)$",
                    "minLength": 1,
                },
                "patternProperties": {"^/": _PATH_ITEM},
            },
            "components": {
                "type": "object",
                "properties": {
                    "schemas": {"type": "object"},
                    "securitySchemes": {"type": "object", "additionalProperties": {"type": "object"}},
                },
            },
            "definitions": {"type": "object"},
            "securityDefinitions": {"type": "object", "additionalProperties": {"type": "object"}},
            "security": {"type": ["array", "null"], "items": {"type": "object"}},
            "x-amazon-apigateway-api-key-source": _one_of("HEADER", "AUTHORIZER"),
            "x-amazon-apigateway-binary-media-types": {"type": ["array", "null"], "items": _TEXT},
            "x-amazon-apigateway-gateway-responses": {
                "type": ["object", "null"],
                "additionalProperties": {
                    "type": ["object", "null"],
                    "properties": {
                        "statusCode": {"anyOf": [{"type": "null"}, _STATUS]},
                        "responseTemplates": _OPTIONAL_TEXTS,
                        "responseParameters": _OPTIONAL_TEXTS,
                    },
                },
            },
            "x-amazon-apigateway-policy": {"type": ["object", "null"]},
            "x-amazon-apigateway-request-validators": {
                "type": ["object", "null"],
                "additionalProperties": {"type": "object"},
            },
        },
    }
)


def check(shape: Draft202012Validator, value: Any, place: str) -> None:
    """Raises BadDocument if `value` does not have the shape; `place` says where the document has it."""
    error = best_match(shape.iter_errors(value))
    if error is not None:
        raise BadDocument(f"{place} at {error.json_path}: {textwrap.shorten(error.message, 300)}")
