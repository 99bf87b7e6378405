"""Java's view of the values that a mapping template handles.

Velocity calls the methods of Java's String, Integer, Double, Boolean, List and Map. Templates here hold plain Python
values, and this module answers for them as Java would: `call` is a method, `get` a property or index, `text` is
toString(). Nothing else of a Python object can be reached from a template.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
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
        return f"{text(self.key)}={text(self.value)}"


def from_json(value: Any) -> Any:
    """A copy of parsed JSON in which every list is a JsonArray."""
    if isinstance(value, dict):
        return {key: from_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return JsonArray(map(from_json, value))
    return value


def text(value: Any) -> str:
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
        return "{" + ", ".join(f"{text(key)}={text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple | range):
        return "[" + ", ".join(text(item) for item in value) + "]"
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
    return text(left) == text(right)


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
        return text(left) + text(right) if left is not None and right is not None else None
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
        return value.get(text(name))
    if isinstance(value, Mapping):
        found = value.get(name) if isinstance(name, str | int) else None
        if found is None and name == "empty":
            return len(value) == 0
        return found
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


def call(value: Any, name: str, arguments: Sequence[Any]) -> Any:
    """`$value.name(arguments)`; null for a method that the class does not have, JavaError if the method throws."""
    if isinstance(value, JavaObject):
        return value.call(name, arguments)
    methods = _methods_of(value)
    method = methods.get(name) or _OBJECT.get(name)
    if method is None:
        return None
    try:
        return method(value, *arguments)
    except JavaError:
        raise
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, OverflowError, re.error) as error:
        raise JavaError(f"{name}: {error}") from None


def _methods_of(value: Any) -> Mapping[str, Callable[..., Any]]:
    if isinstance(value, str):
        return _STRING
    if isinstance(value, bool):
        return _BOOLEAN
    if isinstance(value, int | float):
        return _NUMBER
    if isinstance(value, Mapping):
        return _MAP
    if isinstance(value, list | tuple | range):
        return _LIST
    return {}


# --- String ---

_POSIX = {
    "Alpha": "a-zA-Z", "Digit": "0-9", "Alnum": "a-zA-Z0-9", "Upper": "A-Z", "Lower": "a-z", "Space": r"\s",
    "Punct": r"!-/:-@\[-`{-~", "XDigit": "0-9a-fA-F", "Cntrl": r"\x00-\x1f\x7f", "Graph": "!-~", "Print": " -~",
    "ASCII": r"\x00-\x7f", "Blank": r" \t", "L": r"^\W\d_", "N": r"\d",
}  # fmt: skip


@lru_cache(maxsize=512)
def _pattern(java: str) -> re.Pattern[str]:
    """A Java regular expression: \\Q..\\E, \\p{..} and \\z are written otherwise in Python; classes are ASCII as in
    Java."""
    out: list[str] = []
    in_class = False
    position = 0
    while position < len(java):
        char = java[position]
        if char == "\\" and position + 1 < len(java):
            following = java[position + 1]
            if following == "Q":
                end = java.find("\\E", position)
                end = len(java) if end < 0 else end
                out.append(re.escape(java[position + 2 : end]))
                position = end + 2
                continue
            named = re.match(r"\\p\{(?:Is)?(\w+)\}", java[position:])
            if named and named[1] in _POSIX:
                out.append(_POSIX[named[1]] if in_class else f"[{_POSIX[named[1]]}]")
                position += named.end()
                continue
            out.append("\\Z" if following in "zZ" else char + following)
            position += 2
            continue
        if char == "[":
            in_class = True
        elif char == "]":
            in_class = False
        out.append(char)
        position += 1
    try:
        return re.compile("".join(out), re.ASCII)
    except re.error as error:
        raise JavaError(f"bad pattern {java}: {error}") from None


def _replacement(java: str) -> Callable[[re.Match[str]], str]:
    """Matcher.appendReplacement: `$n` is a group, a backslash makes the next character literal."""

    def expand(match: re.Match[str]) -> str:
        out: list[str] = []
        position = 0
        while position < len(java):
            char = java[position]
            if char == "\\":
                if position + 1 == len(java):
                    raise JavaError("character to be escaped is missing")
                out.append(java[position + 1])
                position += 2
            elif char == "$":
                group = re.match(r"\$(\d|\{\w+\})", java[position:])
                if not group:
                    raise JavaError("illegal group reference")
                key = group[1].strip("{}")
                out.append(match.group(int(key) if key.isdigit() else key) or "")
                position += group.end()
            else:
                out.append(char)
                position += 1
        return "".join(out)

    return expand


def _substring(value: str, start: int, end: int | None = None) -> str:
    end = len(value) if end is None else end
    if not 0 <= start <= end <= len(value):
        raise JavaError(f"string index out of range: {start}, {end}, length {len(value)}")
    return value[start:end]


def _split(value: str, pattern: str, limit: int = 0) -> list[str]:
    parts = _pattern(pattern).split(value, maxsplit=limit - 1 if limit > 0 else 0)
    if limit == 0:
        while len(parts) > 1 and parts[-1] == "":
            parts.pop()
    return parts


def _char_at(value: str, index: int) -> str:
    if not 0 <= index < len(value):
        raise JavaError(f"string index out of range: {index}")
    return value[index]


def _string_number(digits: Any, low: int, high: int) -> int:
    if not isinstance(digits, str) or not re.fullmatch(r"[+-]?[0-9]{1,20}", digits) or not low <= int(digits) <= high:
        raise JavaError(f'for input string: "{text(digits)}"')
    return int(digits)


def parse_int(digits: Any) -> int:
    """Integer.parseInt"""
    return _string_number(digits, -(2**31), 2**31 - 1)


def parse_long(digits: Any) -> int:
    """Long.parseLong"""
    return _string_number(digits, -(2**63), 2**63 - 1)


def _compare_to(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)


_OBJECT: dict[str, Callable[..., Any]] = {
    "toString": lambda value: text(value),
    "equals": lambda value, other: type(value) is type(other) and value == other,
}

_STRING: dict[str, Callable[..., Any]] = {
    "length": len,
    "isEmpty": lambda value: value == "",
    "isBlank": lambda value: value.strip() == "",
    "contains": lambda value, other: text(other) in value,
    "startsWith": lambda value, prefix, offset=0: value.startswith(prefix, offset),
    "endsWith": lambda value, suffix: value.endswith(suffix),
    "indexOf": lambda value, other, start=0: value.find(other, start),
    "lastIndexOf": lambda value, other: value.rfind(other),
    "substring": _substring,
    "charAt": _char_at,
    "concat": lambda value, other: value + other,
    "equalsIgnoreCase": lambda value, other: isinstance(other, str) and value.lower() == other.lower(),
    "compareTo": _compare_to,
    "matches": lambda value, pattern: _pattern(pattern).fullmatch(value) is not None,
    "replace": lambda value, old, new: value.replace(old, new),
    "replaceAll": lambda value, pattern, new: _pattern(pattern).sub(_replacement(new), value),
    "replaceFirst": lambda value, pattern, new: _pattern(pattern).sub(_replacement(new), value, count=1),
    "split": _split,
    "toLowerCase": lambda value: value.lower(),
    "toUpperCase": lambda value: value.upper(),
    "trim": lambda value: value.strip("".join(map(chr, range(33)))),
    "strip": lambda value: value.strip(),
}

_BOOLEAN: dict[str, Callable[..., Any]] = {
    "booleanValue": lambda value: value,
    "parseBoolean": lambda value, other: isinstance(other, str) and other.lower() == "true",
}

_NUMBER: dict[str, Callable[..., Any]] = {
    "intValue": lambda value: int(value),
    "longValue": lambda value: int(value),
    "doubleValue": lambda value: float(value),
    "parseInt": lambda value, digits: parse_int(digits),
    "parseLong": lambda value, digits: parse_long(digits),
    "valueOf": lambda value, digits: parse_int(digits) if isinstance(value, int) else float(digits),
    "parseDouble": lambda value, digits: float(digits),
    "compareTo": _compare_to,
    "equals": lambda value, other: type(value) is type(other) and value == other,
}


# --- List and Map ---


def _element(value: Sequence[Any], index: int) -> Any:
    if not 0 <= index < len(value):
        raise JavaError(f"index {index} out of bounds for length {len(value)}")
    return value[index]


def _add(value: list[Any], *arguments: Any) -> bool | None:
    if len(arguments) == 2:
        value.insert(arguments[0], arguments[1])
        return None
    value.append(arguments[0])
    return True


def _add_all(value: list[Any], others: Sequence[Any]) -> bool:
    value.extend(others)
    return bool(others)


def _set(value: list[Any], index: int, item: Any) -> Any:
    previous = _element(value, index)
    value[index] = item
    return previous


def _remove(value: list[Any], which: Any) -> Any:
    if isinstance(which, int) and not isinstance(which, bool):
        _element(value, which)
        return value.pop(which)
    if which in value:
        value.remove(which)
        return True
    return False


def _put(value: dict[Any, Any], key: Any, item: Any) -> Any:
    previous = value.get(key)
    value[key] = item
    return previous


_LIST: dict[str, Callable[..., Any]] = {
    "size": len,
    "get": _element,
    "isEmpty": lambda value: len(value) == 0,
    "contains": lambda value, item: item in value,
    "containsAll": lambda value, others: all(item in value for item in others),
    "indexOf": lambda value, item: value.index(item) if item in value else -1,
    "add": _add,
    "addAll": _add_all,
    "set": _set,
    "remove": _remove,
    "clear": lambda value: value.clear(),
    "subList": lambda value, start, end: list(value[start:end]),
    "iterator": lambda value: list(value),
    "toArray": lambda value: list(value),
}

_MAP: dict[str, Callable[..., Any]] = {
    "size": len,
    "get": lambda value, key: value.get(key),
    "getOrDefault": lambda value, key, default: value.get(key, default),
    "isEmpty": lambda value: len(value) == 0,
    "containsKey": lambda value, key: key in value,
    "containsValue": lambda value, item: item in value.values(),
    "keySet": lambda value: list(value.keys()),
    "values": lambda value: list(value.values()),
    "entrySet": lambda value: [Entry(key, item) for key, item in value.items()],
    "put": _put,
    "putAll": lambda value, other: value.update(other),
    "putIfAbsent": lambda value, key, item: value.get(key) if key in value else _put(value, key, item),
    "remove": lambda value, key: value.pop(key, None),
    "clear": lambda value: value.clear(),
}
