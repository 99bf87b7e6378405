"""JSON Schema 2020-12 for feeds, events and external systems, with the same result as implementations in other languages."""

import re
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend


def _is_integer(checker: Any, value: Any) -> bool:
    """JSON Schema accepts 1.0 as an integer; here, versions and amounts are written without a fraction."""
    return isinstance(value, int) and not isinstance(value, bool)


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    r"""``$`` is the end of the text, as in ECMA 262; Python's also matches before a last line break, which is ``\Z`` there."""
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError(f"does not match {pattern!r}")


Validator = extend(
    Draft202012Validator,
    validators={"pattern": _pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)
