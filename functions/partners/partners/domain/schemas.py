"""Validation of bodies by JSON Schema, and the parts that schemas share."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from jsonschema import ValidationError
from jsonschema.validators import extend

from setpieces.http_refusal import HttpRefusal
from setpieces.json_schema import Validator

MAX_BODY_BYTES = 32 * 1024
MAX_BATCH_BYTES = 256 * 1024
MAX_ERRORS = 10
MAX_ID_LENGTH = 128
ID_PATTERN = r"\A[A-Za-z0-9][A-Za-z0-9._:-]*\Z"

# Below 2^53, so that no reader in another language rounds an amount.
MAX_INTEGER = 10**12

# The message for an invalid member. It never has the value, which may be a password: details are logged.
_MESSAGES = {
    "type": "must be of type {}",
    "enum": "must be one of {}",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "maxProperties": "must have at most {} members",
    "pattern": "must look like {}",
    "not": "is not possible here",
}


def _required(validator: Any, names: list[str], value: Any, schema: Any) -> Iterator[ValidationError]:
    """One error for each missing member, with a pointer to it."""
    if isinstance(value, dict):
        yield from (ValidationError("is required", path=[name]) for name in names if name not in value)


def _additional_properties(validator: Any, allowed: bool, value: Any, schema: Any) -> Iterator[ValidationError]:
    """One error for each unknown member, with a pointer to it."""
    if isinstance(value, dict) and not allowed:
        yield from (ValidationError("is not known", path=[name]) for name in value if name not in schema["properties"])


_Validator = extend(Validator, validators={"required": _required, "additionalProperties": _additional_properties})

ID = {"type": "string", "maxLength": MAX_ID_LENGTH, "pattern": ID_PATTERN}
CURRENCY = {"type": "string", "pattern": r"\A[A-Z]{3}\Z"}
EMAIL = {"type": "string", "maxLength": 254, "pattern": r"\A[^@\s]{1,64}@[^@\s]+\.[^@\s]+\Z"}
MAX_ARRAY_ITEMS = 100


def string(maximum: int, minimum: int = 0) -> dict[str, Any]:
    """A string of ``minimum`` to ``maximum`` characters."""
    return {"type": "string", "minLength": minimum, "maxLength": maximum}


def integer(minimum: int, maximum: int = MAX_INTEGER) -> dict[str, Any]:
    """A whole number from ``minimum`` to ``maximum``."""
    return {"type": "integer", "minimum": minimum, "maximum": maximum}


def object_of(
    required: dict[str, Any], optional: dict[str, Any] | None = None, *, closed: bool = False
) -> dict[str, Any]:
    """An object with these members; a ``closed`` one has no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | (optional or {}),
        "additionalProperties": not closed,
    }


def array_of(items: dict[str, Any], minimum: int = 0, maximum: int = MAX_ARRAY_ITEMS) -> dict[str, Any]:
    """An array of ``minimum`` to ``maximum`` items."""
    return {"type": "array", "items": items, "minItems": minimum, "maxItems": maximum}


def validate(body: Any, schema: dict[str, Any], status: int = 400) -> None:
    """Raises ``HttpRefusal`` ``status`` with a JSON pointer to each of the first ``MAX_ERRORS`` faults of a body."""
    errors = list(islice(_Validator(schema).iter_errors(body), MAX_ERRORS))
    if errors:
        faults = [{"pointer": _pointer(error), "message": _message(error)} for error in errors]
        raise HttpRefusal(status, "INVALID_REQUEST", f"{faults[0]['pointer']} {faults[0]['message']}", errors=faults)


def is_id(value: str) -> bool:
    """True if a record can have this id."""
    return bool(re.match(ID_PATTERN, value)) and len(value) <= MAX_ID_LENGTH


def invalid(pointer: str, message: str, *, status: int = 400, code: str = "INVALID_REQUEST") -> HttpRefusal:
    """The refusal for one invalid field, as ``invalid("/limit", "must be 1 to 100")``."""
    return HttpRefusal(status, code, message, errors=[{"pointer": pointer, "message": message}])


def check_id(body: dict[str, Any], name: str, path_id: str) -> None:
    """Raises ``HttpRefusal`` 400 if the body has another id ``name`` than the path; it may have none."""
    if body.get(name, path_id) != path_id:
        raise invalid(f"/{name}", "differs from the path")


def _pointer(error: ValidationError) -> str:
    """A JSON pointer (RFC 6901), shortened so that a hostile name does not fill a log."""
    parts = (str(part).replace("~", "~0").replace("/", "~1")[:64] for part in error.absolute_path)
    return "".join("/" + part for part in parts)


def _message(error: ValidationError) -> str:
    template = _MESSAGES.get(str(error.validator))
    return template.format(error.validator_value) if template else error.message
