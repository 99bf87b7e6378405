"""Mapping templates: Velocity with API Gateway's own variables `$input`, `$util`, `$context` and `$stageVariables`.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html

    $input.body            the payload as text
    $input.json(path)      the JSON of what is at the JSONPath: `{}` for `$` of an empty payload, `""` for a path to
    nothing $input.path(path)      the value itself: null for a path to nothing, so that `#if($input.path('$.x'))` is
    false $input.params()        {path, querystring, header}, each a map of name to value $input.params(name)    the
    first of path, query string, header; an empty string if none has it
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from apigw_executor import json_text, jsonpaths
from apigw_executor.vtl import PayloadTooLarge, Template, TemplateFault
from apigw_executor.vtl.values import JavaError, JavaObject, from_json, to_string

__all__ = ["Input", "PayloadTooLarge", "TemplateFault", "Util", "escape_javascript", "render"]


@lru_cache(maxsize=1024)
def _template(source: str) -> Template:
    return Template(source)


def render(
    source: str,
    body: str,
    params: Mapping[str, Mapping[str, str]],
    context: dict[str, Any],
    stage_variables: Mapping[str, str],
) -> str:
    """The output of the mapping template `source`.

    `body` is the payload as text; `params` has `path`, `querystring` and `header`; `context` is the `$context` of the
    request, written to where the template sets an override. TemplateFault if the template cannot be read or a call in
    it throws.
    """
    return _template(source).render(
        {
            "input": Input(body, params),
            "util": UTIL,
            "context": context,
            "stageVariables": dict(stage_variables),
        }
    )


class Input(JavaObject):
    """`$input`"""

    def __init__(self, body: str, params: Mapping[str, Mapping[str, str]]) -> None:
        self._body = body
        self._params = params
        self._document: Any = jsonpaths.MISSING
        self._read = False

    def get(self, name: str) -> Any:
        return self._body if name == "body" else None

    def call(self, name: str, arguments: Sequence[Any]) -> Any:
        if name == "params":
            return (
                self._parameter(arguments[0])
                if arguments
                else {kind: dict(self._params.get(kind, {})) for kind in _KINDS}
            )
        if name in ("json", "path") and len(arguments) == 1:
            return self.json(to_string(arguments[0])) if name == "json" else self.path(to_string(arguments[0]))
        return None

    def _parameter(self, name: Any) -> str:
        key = to_string(name)
        for kind in _KINDS:
            parameters = self._params.get(kind, {})
            if key in parameters:
                return parameters[key]
        # Header names have no case on the wire; a client may send them in any.
        folded = key.lower()
        return next((value for key, value in self._params.get("header", {}).items() if key.lower() == folded), "")

    def _at(self, path: str) -> Any:
        if not self._read:
            self._read = True
            if not json_text.is_blank(self._body):
                try:
                    self._document = json_text.parse(self._body)
                except json_text.MalformedJson as error:
                    # An endpoint that answers with no JSON: the path call throws, and the gateway answers 500.
                    raise JavaError(f"the payload is not JSON: {error}") from None
        if self._document is jsonpaths.MISSING:
            return jsonpaths.MISSING
        try:
            return jsonpaths.read(path, self._document)
        except jsonpaths.BadPath as error:
            raise JavaError(str(error)) from None

    def json(self, path: str) -> str:
        """`$input.json`"""
        value = self._at(path)
        if value is jsonpaths.MISSING:
            return "{}" if path == "$" else '""'
        return json_text.dump(value)

    def path(self, path: str) -> Any:
        """`$input.path`"""
        value = self._at(path)
        return None if value is jsonpaths.MISSING else from_json(value)


_KINDS = ("path", "querystring", "header")

_ESCAPES = {
    "'": "\\'", '"': '\\"', "\\": "\\\\", "/": "\\/",
    "\b": "\\b", "\n": "\\n", "\t": "\\t", "\f": "\\f", "\r": "\\r",
}  # fmt: skip
_ESCAPED = re.compile(r"""['"\\/\x00-\x1f\x7f-\U0010ffff]""")


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if char in _ESCAPES:
        return _ESCAPES[char]
    code = ord(char)
    if code == 0x7F:
        return char
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04X}\\u{0xDC00 + (code & 0x3FF):04X}"
    return f"\\u{code:04X}"


def escape_javascript(value: str) -> str:
    """Apache Commons Lang's escapeJavaScript: `'` becomes `\\'`, which is no JSON escape. AWS's own advice for JSON
    is `$util.escapeJavaScript(data).replaceAll("\\\\'","'")`."""
    return _ESCAPED.sub(_escape, value)


class Util(JavaObject):
    """`$util`: of null each function is null."""

    def call(self, name: str, arguments: Sequence[Any]) -> Any:
        function = _UTIL.get(name)
        if function is None or len(arguments) != 1:
            return None
        if arguments[0] is None:
            return None
        try:
            return function(arguments[0])
        except (ValueError, binascii.Error) as error:
            raise JavaError(f"$util.{name}: {error}") from None


def _parse_json(value: Any) -> Any:
    return from_json(json_text.parse(to_string(value)))


def _url_encode(value: Any) -> str:
    # java.net.URLEncoder keeps . - * _ and encodes ~, where Python keeps ~ and encodes *.
    return quote_plus(json_text.encode(to_string(value)), safe="*").replace("~", "%7E")


def _url_decode(value: Any) -> str:
    return unquote_plus(to_string(value), errors="replace")


def _base64_encode(value: Any) -> str:
    return base64.b64encode(json_text.encode(to_string(value))).decode()


def _base64_decode(value: Any) -> str:
    return base64.b64decode(to_string(value), validate=False).decode("utf-8", errors="replace")


_UTIL = {
    "escapeJavaScript": lambda value: escape_javascript(to_string(value)),
    "parseJson": _parse_json,
    "urlEncode": _url_encode,
    "urlDecode": _url_decode,
    "base64Encode": _base64_encode,
    "base64Decode": _base64_decode,
}
UTIL = Util()
