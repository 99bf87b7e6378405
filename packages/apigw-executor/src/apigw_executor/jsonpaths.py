"""JSONPath with Jayway's results, the library behind `$input.path` and `$input.json`.

A definite path (no wildcard, filter, slice, union or `..`) gives the value itself, or MISSING. Any other gives the
list of matches, empty when there are none (https://github.com/json-path/JsonPath, "What is Returned When?").
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import jsonpath
from jsonpath.exceptions import JSONPathError


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
_FUNCTIONS = ("length", "size", "keys", "sum", "min", "max", "avg")


class BadPath(ValueError):
    """The expression is not a JSONPath."""


@lru_cache(maxsize=2048)
def _compiled(path: str) -> tuple[Any, bool, str | None]:
    function = None
    for name in _FUNCTIONS:
        if path.endswith(f".{name}()"):
            function, path = name, path[: -len(name) - 3]
            break
    try:
        query = jsonpath.compile(path)
    except JSONPathError as error:
        raise BadPath(f"{path}: {error}") from None
    definite = bool(getattr(query, "singular_query", lambda: False)())
    return query, definite, function


def read(path: str, document: Any) -> Any:
    """The value at `path` (Jayway: a path that does not start with `$` is taken from the root). BadPath if it is
    none."""
    if path == "$":
        return document
    query, definite, function = _compiled(path if path.startswith(("$", "@")) else f"$.{path}")
    try:
        # A scalar has no children; the library would read a text as a JSON document of its own.
        matches = query.findall(document) if isinstance(document, dict | list) else [document][bool(query.segments) :]
    except (JSONPathError, RecursionError) as error:
        raise BadPath(f"{path}: {error}") from None
    value: Any = (matches[0] if matches else MISSING) if definite else matches
    return value if function is None else _apply(function, value)


def _apply(function: str, value: Any) -> Any:
    if function in ("length", "size"):
        return len(value) if isinstance(value, str | list | dict) else MISSING
    if function == "keys":
        return list(value) if isinstance(value, dict) else MISSING
    numbers = [item for item in value if isinstance(item, int | float)] if isinstance(value, list) else []
    if not numbers:
        return MISSING
    if function == "sum":
        return float(sum(numbers))
    if function == "avg":
        return sum(numbers) / len(numbers)
    return float(min(numbers) if function == "min" else max(numbers))
