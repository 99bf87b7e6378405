"""Bodies judged against JSON Schema, with a pointer at what is wrong, and the parts that schemas share."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from setpieces.http_refusal import HttpRefusal

MAX_BODY_BYTES = 32 * 1024
MAX_BATCH_BYTES = 256 * 1024
MAX_ERRORS = 10
MAX_ID_LENGTH = 128
ID_PATTERN = r"\A[A-Za-z0-9][A-Za-z0-9._:-]*\Z"

# A ceiling below 2^53, so that no reader in another language rounds an amount.
MAX_WHOLE = 10**12


# What is said of a member that does not fit. Never the value itself: it may be a password, and details are logged.
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
}


def _is_whole(checker: Any, value: Any) -> bool:
    """JSON Schema takes 1.0 for an integer; money and counts are whole as written."""
    return isinstance(value, int) and not isinstance(value, bool)


def _required(validator: Any, names: list[str], value: Any, schema: Any) -> Iterator[ValidationError]:
    """One error at each missing member, so that the pointer names it."""
    if isinstance(value, dict):
        yield from (ValidationError("is required", path=[name]) for name in names if name not in value)


def _no_others(validator: Any, allowed: bool, value: Any, schema: Any) -> Iterator[ValidationError]:
    """One error at each member that is not known."""
    if isinstance(value, dict) and not allowed:
        yield from (ValidationError("is not known", path=[name]) for name in value if name not in schema["properties"])


_Validator = extend(
    Draft202012Validator,
    validators={"required": _required, "additionalProperties": _no_others},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole),
)

ID = {"type": "string", "maxLength": MAX_ID_LENGTH, "pattern": ID_PATTERN}
CURRENCY = {"type": "string", "pattern": r"\A[A-Z]{3}\Z"}
EMAIL = {"type": "string", "maxLength": 254, "pattern": r"\A[^@\s]{1,64}@[^@\s]+\.[^@\s]+\Z"}
LINES_LIMIT = 100


def text(maximum: int, minimum: int = 0) -> dict[str, Any]:
    """A string of ``minimum`` to ``maximum`` characters."""
    return {"type": "string", "minLength": minimum, "maxLength": maximum}


def whole(minimum: int, maximum: int = MAX_WHOLE) -> dict[str, Any]:
    """A whole number within limits, both included."""
    return {"type": "integer", "minimum": minimum, "maximum": maximum}


def record(required: dict[str, Any], optional: dict[str, Any] | None = None, *, closed: bool = False) -> dict[str, Any]:
    """An object with these members; others are kept as they are unless it is ``closed``."""
    return {
        "type": "object",
        "required": list(required),
        "properties": required | (optional or {}),
        "additionalProperties": not closed,
    }


def listing(items: dict[str, Any], minimum: int = 0) -> dict[str, Any]:
    """A list of at most as many items as an order may have lines."""
    return {"type": "array", "items": items, "minItems": minimum, "maxItems": LINES_LIMIT}


def validate(body: Any, schema: dict[str, Any], status: int = 400) -> None:
    """Raises ``HttpRefusal`` ``status`` with a JSON pointer at each of the first ten faults of ``body``."""
    errors = list(islice(_Validator(schema).iter_errors(body), MAX_ERRORS))
    if errors:
        found = [{"pointer": _pointer(error), "message": _message(error)} for error in errors]
        raise HttpRefusal(status, "INVALID_REQUEST", f"{found[0]['pointer']} {found[0]['message']}", errors=found)


def is_id(value: str) -> bool:
    """Whether a record can have this as its id."""
    return bool(re.match(ID_PATTERN, value)) and len(value) <= MAX_ID_LENGTH


def invalid(pointer: str, message: str, *, status: int = 400, code: str = "INVALID_REQUEST") -> HttpRefusal:
    """The refusal of a request for one of its fields, e.g. ``invalid("/limit", "must be 1 to 100")``."""
    return HttpRefusal(status, code, message, errors=[{"pointer": pointer, "message": message}])


def same(body: dict[str, Any], name: str, expected: str) -> None:
    """Raises ``HttpRefusal`` 400 if the body names another ``name`` than the path does; it need not name any."""
    if body.get(name, expected) != expected:
        raise invalid(f"/{name}", "differs from the path")


def _pointer(error: ValidationError) -> str:
    """RFC 6901, shortened so that a hostile name cannot fill a log."""
    parts = (str(part).replace("~", "~0").replace("/", "~1")[:64] for part in error.absolute_path)
    return "".join("/" + part for part in parts)


def _message(error: ValidationError) -> str:
    template = _MESSAGES.get(str(error.validator))
    return template.format(error.validator_value) if template else error.message
