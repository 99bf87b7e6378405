"""Parameter mapping: `method.request.header.X` and the like, read from a request or from an integration's response.

https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from apigw_executor import json_text, jsonpaths
from apigw_executor.messages import Request, first_by_name, multi
from apigw_executor.vtl.values import to_string


def dotted(value: Any, path: str) -> Any:
    """`value["a"]["b"]` for `a.b`, None if there is no such thing; names may have dots
    (`authorizer.claims.a.b`)."""
    if not isinstance(value, Mapping):
        return None
    if path in value:
        return value[path]
    head, dot, rest = path.partition(".")
    return dotted(value.get(head), rest) if dot else None


def _body(path: str, text: str) -> Any:
    """`body` is the whole text, `body.a.b` and `body.$.a` what the JSONPath leads to; None if nothing."""
    if not path:
        return text
    try:
        value = jsonpaths.read(path if path.startswith("$") else f"$.{path}", json_text.parse(text))
    except (json_text.MalformedJson, jsonpaths.BadPath):
        return None
    if value is jsonpaths.MISSING:
        return None
    return json_text.dump(value) if isinstance(value, dict | list) else value


@dataclass
class Sources:
    """All that an expression may name. `path_parameters` are percent-encoded; `response_*` are the integration's
    answer."""

    request: Request
    path_parameters: Mapping[str, str]
    context: dict[str, Any]
    stage_variables: Mapping[str, str]
    request_body: str = ""
    response_headers: tuple[tuple[str, str], ...] = field(default_factory=tuple)
    response_body: str = ""

    @cached_property
    def decoded_path(self) -> dict[str, str]:
        """Path parameters decoded once, the form that mapping sees."""
        return {name: unquote(value, errors="replace") for name, value in self.path_parameters.items()}

    @cached_property
    def params(self) -> dict[str, Mapping[str, str]]:
        """`$input.params()`"""
        return {
            "path": self.decoded_path,
            "querystring": self.request.last_query,
            "header": self.request.last_headers,
        }

    def text(self, expression: str) -> str | None:
        """The value of `expression` as text, None if it leads to nothing."""
        value = self.value(expression)
        return None if value is None else to_string(value)

    def value(self, expression: str) -> Any:
        """The value of a static `'text'` or of a name; None if it leads to nothing."""
        if len(expression) > 1 and expression[0] == expression[-1] == "'":
            return expression[1:-1]
        if expression.startswith("context."):
            return dotted(self.context, expression.removeprefix("context."))
        if expression.startswith("stageVariables."):
            return self.stage_variables.get(expression.removeprefix("stageVariables."))
        if expression.startswith("method.request."):
            return self._from_request(expression.removeprefix("method.request."))
        if expression.startswith("integration.response."):
            return self._from_response(expression.removeprefix("integration.response."))
        return None

    def _from_request(self, name: str) -> Any:
        kind, _, key = name.partition(".")
        if kind == "path":
            return self.decoded_path.get(key)
        if kind == "querystring":
            return self.request.last_query.get(key)
        if kind == "multivaluequerystring":
            values = multi(self.request.query).get(key)
            return ",".join(values) if values else None
        if kind == "header":
            return self.request.header(key)
        if kind == "multivalueheader":
            values = [value for header, value in self.request.headers if header.lower() == key.lower()]
            return ",".join(values) if values else None
        return _body(key, self.request_body) if kind == "body" else None

    def _from_response(self, name: str) -> Any:
        kind, _, key = name.partition(".")
        if kind == "header":
            return first_by_name(self.response_headers, key)
        if kind == "multivalueheader":
            values = [value for header, value in self.response_headers if header.lower() == key.lower()]
            return ",".join(values) if values else None
        return _body(key, self.response_body) if kind == "body" else None
