"""Java's view of the values that a mapping template handles.

Templates hold plain Python values, and this module treats them as Java would: `get` is a property or index, `to_string` is
toString(). `methods` has the methods.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from apigw_executor import json_text


class JavaError(Exception):
    """A method threw: a bad index, a bad number, a bad pattern. Ends the rendering."""


class JsonArray(list[Any]):
    """A list that came from JSON: Jayway's JSONArray, whose toString() is JSON while an ArrayList's is `[a, b]`."""


class JavaObject:
    """An object offered to templates, such as `$input`: properties by `get`, methods by `call`."""

    def get(self, name: str) -> Any:
        """The property `name`, None if there is none."""
        return None

    def call(self, name: str, arguments: Sequence[Any]) -> Any:
        """The result of the method `name`, None if there is none: Velocity takes an unknown method for null."""
        return None


class Entry(JavaObject):
    """A Map.Entry."""

    def __init__(self, key: Any, value: Any) -> None:
        self.key, self.value = key, value

    def get(self, name: str) -> Any:
        return {"key": self.key, "value": self.value}.get(name)

    def call(self, name: str, arguments: Sequence[Any]) -> Any:
        return {"getKey": self.key, "getValue": self.value, "toString": str(self)}.get(name)

    def __str__(self) -> str:
        return f"{to_string(self.key)}={to_string(self.value)}"


def from_json(value: Any) -> Any:
    """A copy of parsed JSON in which every list is a JsonArray."""
    if isinstance(value, dict):
        return {key: from_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return JsonArray(map(from_json, value))
    return value


def to_string(value: Any) -> str:
    """toString(). A map prints as `{a=b}` and an ArrayList as `[a, b]`, neither of them JSON: hence `$input.json`."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return json_text.double_text(value)
    if isinstance(value, JsonArray):
        return json_text.dump(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{to_string(key)}={to_string(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple | range):
        return "[" + ", ".join(to_string(item) for item in value) + "]"
    return str(value)


def true(value: Any) -> bool:
    """#if of Velocity 1.7: only null and false are false; an empty string, an empty list and 0 are true
    (https://velocity.apache.org/engine/1.7/user-guide.html#conditionals)."""
    return value is not None and value is not False


def equal(left: Any, right: Any) -> bool:
    """== of Velocity 1.7: numbers by value, the same class by equals(), different classes by toString(), null only to
    null."""
    if left is None or right is None:
        return left is right
    if _number(left) and _number(right):
        return bool(left == right)
    if type(left) is type(right):
        return bool(left == right)
    return to_string(left) == to_string(right)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def compare(operator: str, left: Any, right: Any) -> bool:
    """<, <=, >, >=: of numbers only; anything else is false (Velocity logs it and says false)."""
    if not (_number(left) and _number(right)):
        return False
    return bool({"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator])


def arithmetic(operator: str, left: Any, right: Any) -> Any:
    """+ - * / %: integers divide towards zero, + joins when a side is a string, null or non-numbers or / 0 give
    null."""
    if operator == "+" and (isinstance(left, str) or isinstance(right, str)):
        return to_string(left) + to_string(right) if left is not None and right is not None else None
    if not (_number(left) and _number(right)):
        return None
    if operator == "+":
        return left + right
    if operator == "-":
        return left - right
    if operator == "*":
        return left * right
    if right == 0:
        return None
    if isinstance(left, int) and isinstance(right, int):
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        return quotient if operator == "/" else left - quotient * right
    return left / right if operator == "/" else math.fmod(left, right)


def get(value: Any, name: Any) -> Any:
    """`$value.name` or `$value[name]`: a map's entry, a list's element, a bean property; null if there is none."""
    if isinstance(value, JavaObject):
        return value.get(to_string(name))
    if isinstance(value, Mapping):
        item = value.get(name) if isinstance(name, str | int) else None
        if item is None and name == "empty":
            return len(value) == 0
        return item
    if isinstance(value, list | tuple | range):
        if isinstance(name, int) and not isinstance(name, bool):
            return value[position(value, name)]
        return len(value) == 0 if name == "empty" else None
    if isinstance(value, str) and name == "empty":
        return value == ""
    return None


def position(value: Sequence[Any], index: int) -> int:
    """What an index of Velocity 1.7 stands for: -1 is the last; one out of range throws."""
    if not -len(value) <= index < len(value):
        raise JavaError(f"index {index} out of bounds for length {len(value)}")
    return index


def items(value: Any) -> list[Any] | None:
    """What #foreach walks: a list's elements, a map's *values*; None for what cannot be walked."""
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list | tuple | range):
        return list(value)
    return None
