"""Data as a newer version would have written it: each object has a member that no version has today."""

from collections.abc import Set
from decimal import Decimal
from typing import Any

# DynamoDB can hold numbers that JSON is not made of as they are, and JSON what DynamoDB does not take.
NEWER: dict[str, Any] = {"from_a_newer_version": {"a": [Decimal("1.5")]}}
NEWER_JSON: dict[str, Any] = {"from_a_newer_version": {"a": [1.5, None]}}
# Members that are maps: their names are data. And what is kept as it was sent or answered.
MAPS = {"lines", "rates", "stretches", "rejected_reasons", "reasons", "outcomes"}
CONTENT = {"body", "record", "items", "from_a_newer_version"}


def newer(value: Any, name: str = "", unknown: dict[str, Any] = NEWER, content: Set[str] = CONTENT) -> Any:
    """``value``, a member ``name``, with the members ``unknown`` and the next minor version; ``content`` stays as it is."""
    if name in content:
        return value
    if isinstance(value, list):
        return [newer(each, unknown=unknown, content=content) for each in value]
    if not isinstance(value, dict):
        return "1.1" if name == "version" and value == "1" else value
    inner = {key: newer(each, key, unknown, content) for key, each in value.items()}
    return inner if name in MAPS else inner | unknown


def newer_json(value: Any) -> Any:
    """``value`` as a newer version of another service would answer it."""
    return newer(value, unknown=NEWER_JSON, content=frozenset())
