"""Request validation: required parameters and body models.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html: a required
parameter must be there and not blank; the body must fit the model of its content type. A content type without a model
is not validated. Models are JSON Schema draft 4. The texts are those of the Java validator that API Gateway uses, as
far as they are known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft4Validator, FormatChecker
from jsonschema.exceptions import UnknownType, ValidationError
from referencing.exceptions import Unresolvable

from apigw_executor import json_text
from apigw_executor.document import Operation
from apigw_executor.messages import Request
from apigw_executor.responses import GatewayError

MAX_BODY = 10 * 1024 * 1024  # bytes; https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html

_FORMATS = FormatChecker(formats=("email", "ipv4", "ipv6"))
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(Z|[+-]\d\d:?\d\d)")


def _date_time(value: object) -> bool:
    return not isinstance(value, str) or _DATE_TIME.fullmatch(value) is not None


_FORMATS.checkers["date-time"] = (_date_time, ())


def check_parameters(operation: Operation, request: Request, path_parameters: Mapping[str, str]) -> None:
    """BAD_REQUEST_PARAMETERS unless every required parameter has a value."""
    if not operation.validates_parameters:
        return
    values: dict[str, Callable[[str], str | None]] = {
        "path": path_parameters.get,
        "querystring": request.last_query.get,
        "header": request.header,
    }
    missing = [
        parameter.name
        for parameter in operation.parameters
        if parameter.required and not (values[parameter.location](parameter.name) or "").strip()
    ]
    if missing:
        raise GatewayError("BAD_REQUEST_PARAMETERS", f"Missing required request parameters: [{', '.join(missing)}]")


def check_body(operation: Operation, request: Request, schemas: Mapping[str, Any]) -> None:
    """BAD_REQUEST_BODY unless the body fits the model for its content type; an empty body counts as `{}`."""
    if not operation.validates_body:
        return
    model = operation.models.get(request.content_type)
    if model is None:
        return
    try:
        value = {} if json_text.is_blank(request.body) else json_text.parse(request.body)
    except json_text.MalformedJson:
        raise GatewayError("BAD_REQUEST_BODY", validation="[Invalid JSON in request body]") from None
    try:
        errors = list(_validator(_Model(model, schemas)).iter_errors(value))
    except RecursionError:
        raise GatewayError("BAD_REQUEST_BODY", validation="[the body is nested too deeply]") from None
    except Unresolvable as error:
        raise GatewayError("API_CONFIGURATION_ERROR", reason=f"a model refers to what is not there: {error}") from None
    except (UnknownType, AttributeError, TypeError, re.error) as error:
        # What jsonschema raises if the model itself is no JSON Schema.
        raise GatewayError("API_CONFIGURATION_ERROR", reason=f"a model is not JSON Schema draft 4: {error!r}") from None
    if errors:
        texts = sorted(set(_texts(errors)))
        raise GatewayError("BAD_REQUEST_BODY", validation=f"[{', '.join(texts)}]")


class _Model:
    """A schema with what it refers to, hashable by identity: a document is read once and never changed."""

    def __init__(self, schema: Any, schemas: Mapping[str, Any]) -> None:
        self.schema, self.schemas = schema, schemas

    def __hash__(self) -> int:
        return hash((id(self.schema), id(self.schemas)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Model) and self.schema is other.schema and self.schemas is other.schemas


@lru_cache(maxsize=512)
def _validator(model: _Model) -> Draft4Validator:
    # In draft 4 the neighbours of a $ref are not looked at, hence allOf around a model that may be one.
    return Draft4Validator({**model.schemas, "allOf": [_local(model.schema)]}, format_checker=_FORMATS)


def _local(schema: Any) -> Any:
    """`schema` with references to a model's address at API Gateway made references into the document."""
    if isinstance(schema, Mapping):
        return {
            key: re.sub(r"^https://apigateway\.amazonaws\.com/restapis/[^/]+/models/", "#/components/schemas/", item)
            if key == "$ref" and isinstance(item, str)
            else _local(item)
            for key, item in schema.items()
        }
    return [_local(item) for item in schema] if isinstance(schema, list) else schema


_TYPES = {
    str: "string",
    bool: "boolean",
    type(None): "null",
    list: "array",
    dict: "object",
    int: "integer",
    float: "number",
}


def _texts(errors: Iterable[ValidationError]) -> Iterable[str]:
    for error in errors:
        if error.validator == "allOf" and error.context:
            yield from _texts(error.context)
        else:
            yield _text(error)


def _quoted(values: Iterable[Any]) -> str:
    return json.dumps(list(values), ensure_ascii=False, separators=(",", ":"), default=str)


def _text(error: ValidationError) -> str:
    value: Any = error.instance
    limit: Any = error.validator_value
    schema: Any = error.schema
    rule = str(error.validator)
    if rule == "required":
        return f"object has missing required properties ({_quoted(sorted(set(limit) - set(value)))})"
    if rule == "additionalProperties":
        known = set(schema.get("properties") or {})
        patterns = [re.compile(pattern) for pattern in schema.get("patternProperties") or {}]
        extra = sorted(name for name in value if name not in known and not any(p.search(name) for p in patterns))
        return f"object instance has properties which are not allowed by the schema: {_quoted(extra)}"
    if rule == "type":
        allowed = sorted(limit) if isinstance(limit, list) else [limit]
        kind = _TYPES.get(type(value), "object")
        return f"instance type ({kind}) does not match any allowed primitive type (allowed: {_quoted(allowed)})"
    if rule == "enum":
        return f"instance value ({_json(value)}) not found in enum (possible values: {_quoted(limit)})"
    if rule == "minLength":
        return f"string {_json(value)} is too short (length: {len(value)}, required minimum: {limit})"
    if rule == "maxLength":
        return f"string {_json(value)} is too long (length: {len(value)}, maximum allowed: {limit})"
    if rule == "pattern":
        return f"ECMA 262 regex {_json(limit)} does not match input string {_json(value)}"
    if rule == "minimum":
        return f"numeric instance is lower than the required minimum (minimum: {_json(limit)}, found: {_json(value)})"
    if rule == "maximum":
        return f"numeric instance is greater than the required maximum (maximum: {_json(limit)}, found: {_json(value)})"
    if rule == "minItems":
        return f"array is too short: must have at least {limit} elements but instance has {len(value)} elements"
    if rule == "maxItems":
        return f"array is too long: must have at most {limit} elements but instance has {len(value)} elements"
    if rule == "minProperties":
        return f"object has too few properties (found {len(value)} but schema requires at least {limit})"
    if rule == "maxProperties":
        return f"object has too many properties (found {len(value)} but schema requires at most {limit})"
    if rule == "uniqueItems":
        return "array must not contain duplicate elements"
    if rule == "format":
        return f"string {_json(value)} is invalid against requested format {_json(limit)}"
    if rule in ("anyOf", "oneOf"):
        return f"instance failed to match {'at least' if rule == 'anyOf' else 'exactly'} one schema"
    return f"instance does not satisfy {rule}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
