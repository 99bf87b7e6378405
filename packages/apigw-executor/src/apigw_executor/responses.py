"""Gateway responses: the errors that API Gateway makes itself.

https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html

A response is looked for in the document by its own type, then as DEFAULT_4XX or DEFAULT_5XX by its status, and is
`{"message":$context.error.messageString}` otherwise. Its templates are not Velocity: `$context`, `$stageVariables`
and `$method.request` are substituted and everything else, `$util` included, stays as written
(https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-gateway-responses.responseTemplates.html).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apigw_executor import json_text
from apigw_executor.document import GatewayResponseRule
from apigw_executor.messages import Response, media_type
from apigw_executor.vtl.values import to_string


@dataclass(frozen=True)
class Kind:
    """A gateway response type: its default status, its x-amzn-ErrorType and its default message (None prints
    null)."""

    status: int
    error_type: str
    message: str | None


KINDS: Mapping[str, Kind] = {
    "ACCESS_DENIED": Kind(403, "AccessDeniedException", "User is not authorized to access this resource"),
    "API_CONFIGURATION_ERROR": Kind(500, "InternalServerErrorException", "Internal server error"),
    "AUTHORIZER_CONFIGURATION_ERROR": Kind(500, "AuthorizerConfigurationException", None),
    "AUTHORIZER_FAILURE": Kind(500, "AuthorizerFailureException", None),
    "BAD_REQUEST_BODY": Kind(400, "BadRequestException", "Invalid request body"),
    "BAD_REQUEST_PARAMETERS": Kind(400, "BadRequestException", "Missing required request parameters"),
    "DEFAULT_4XX": Kind(400, "BadRequestException", "Bad Request"),
    "DEFAULT_5XX": Kind(500, "InternalServerErrorException", "Internal server error"),
    "EXPIRED_TOKEN": Kind(403, "ExpiredTokenException", "The security token included in the request is expired"),
    "INTEGRATION_FAILURE": Kind(504, "InternalServerErrorException", "Internal server error"),
    "INTEGRATION_TIMEOUT": Kind(504, "InternalServerErrorException", "Endpoint request timed out"),
    "INVALID_API_KEY": Kind(403, "ForbiddenException", "Forbidden"),
    "INVALID_SIGNATURE": Kind(403, "InvalidSignatureException", "The request signature does not match"),
    "MISSING_AUTHENTICATION_TOKEN": Kind(403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
    "QUOTA_EXCEEDED": Kind(429, "LimitExceededException", "Limit Exceeded"),
    "REQUEST_TOO_LARGE": Kind(413, "RequestTooLargeException", "Request Too Long"),
    "RESOURCE_NOT_FOUND": Kind(404, "NotFoundException", "Not Found"),
    "THROTTLED": Kind(429, "TooManyRequestsException", "Too Many Requests"),
    "UNAUTHORIZED": Kind(401, "UnauthorizedException", "Unauthorized"),
    "UNSUPPORTED_MEDIA_TYPE": Kind(415, "BadRequestException", "Unsupported Media Type"),
    "WAF_FILTERED": Kind(403, "ForbiddenException", "Forbidden"),
}


class GatewayError(Exception):
    """The request ends here, with the gateway response `kind`. `reason` is for the operator's log, never for the
    client."""

    def __init__(
        self,
        kind: str,
        message: str | None = None,
        *,
        status: int | None = None,
        validation: str | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(f"{kind}: {reason or message or KINDS[kind].message}")
        self.kind = kind
        self.message = KINDS[kind].message if message is None else message
        self.status = KINDS[kind].status if status is None else status
        self.error_type = KINDS[kind].error_type
        self.validation = validation
        self.reason = reason

    def variables(self) -> dict[str, Any]:
        """`$context.error`"""
        return {
            "message": self.message,
            "messageString": json_text.dump(self.message),
            "responseType": self.kind,
            "validationErrorString": self.validation,
        }


Lookup = Callable[[str], Any]
_DEFAULT_TEMPLATES = {"application/json": '{"message":$context.error.messageString}'}
_VARIABLE = re.compile(
    r"\$(?:\{((?:context|stageVariables|method\.request)\.[\w.-]+)\}|((?:context|stageVariables|method\.request)(?:\.[\w-]+)+))"
)


def substitute(template: str, lookup: Lookup, *, json: bool = False, missing: str = "") -> str:
    """`template` with each `$context.a.b`, `${context.a.b}` and so on replaced by `lookup("context.a.b")`.

    With `json`, a value is escaped for the inside of a JSON string, all but `messageString`, which is a JSON string
    itself.
    """

    def replace(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        value = lookup(name)
        if value is None:
            return missing
        text = to_string(value)
        if json and name != "context.error.messageString":
            return json_text.dump(text)[1:-1]
        return text

    return _VARIABLE.sub(replace, template)


def render(
    error: GatewayError, rules: Mapping[str, GatewayResponseRule], accept: str | None, lookup: Lookup
) -> Response:
    """The response for `error`. `lookup` resolves `context.*`, `stageVariables.*` and `method.request.*` names."""
    fallback = "DEFAULT_4XX" if error.status < 500 else "DEFAULT_5XX"
    rule = rules.get(error.kind) or rules.get(fallback)
    templates = (rule.templates if rule else None) or _DEFAULT_TEMPLATES
    content_type = _chosen(templates, accept)
    status = rule.status if rule and rule.status else error.status
    is_json = media_type(content_type).endswith("json")
    body = substitute(templates[content_type], lookup, json=is_json)
    response = Response(status, [("Content-Type", content_type)], json_text.encode(body))
    for target, source in (rule.parameters if rule else {}).items():
        name = target.removeprefix("gatewayresponse.header.")
        value = source[1:-1] if len(source) > 1 and source[0] == source[-1] == "'" else lookup(source)
        if value is not None:
            response.set(name, header_text(to_string(value)))
    response.set("x-amzn-ErrorType", error.error_type)
    return response


def header_text(value: str) -> str:
    """`value` as one header line: no line break or other control character of it may reach the wire."""
    return "".join(char if char == "\t" or (char >= " " and char != "\x7f") else " " for char in value)


def _chosen(templates: Mapping[str, str], accept: str | None) -> str:
    by_type = {media_type(key): key for key in templates}
    for part in (accept or "").split(","):
        if media_type(part) in by_type:
            return by_type[media_type(part)]
    return by_type.get("application/json") or next(iter(templates))
