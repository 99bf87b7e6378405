"""The methods of Java's String, Boolean, Integer, Double, List and Map. Nothing else of a Python object can be called."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apigw_executor.vtl import regex
from apigw_executor.vtl.values import Entry, JavaError, JavaObject, to_string


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


def _substring(value: str, start: int, end: int | None = None) -> str:
    end = len(value) if end is None else end
    if not 0 <= start <= end <= len(value):
        raise JavaError(f"string index out of range: {start}, {end}, length {len(value)}")
    return value[start:end]


def _split(value: str, pattern: str, limit: int = 0) -> list[str]:
    parts = regex.pattern(pattern).split(value, maxsplit=limit - 1 if limit > 0 else 0)
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
        raise JavaError(f'for input string: "{to_string(digits)}"')
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
    "toString": lambda value: to_string(value),
    "equals": lambda value, other: type(value) is type(other) and value == other,
}

_STRING: dict[str, Callable[..., Any]] = {
    "length": len,
    "isEmpty": lambda value: value == "",
    "isBlank": lambda value: value.strip() == "",
    "contains": lambda value, other: to_string(other) in value,
    "startsWith": lambda value, prefix, offset=0: value.startswith(prefix, offset),
    "endsWith": lambda value, suffix: value.endswith(suffix),
    "indexOf": lambda value, other, start=0: value.find(other, start),
    "lastIndexOf": lambda value, other: value.rfind(other),
    "substring": _substring,
    "charAt": _char_at,
    "concat": lambda value, other: value + other,
    "equalsIgnoreCase": lambda value, other: isinstance(other, str) and value.lower() == other.lower(),
    "compareTo": _compare_to,
    "matches": lambda value, pattern: regex.pattern(pattern).fullmatch(value) is not None,
    "replace": lambda value, old, new: value.replace(old, new),
    "replaceAll": lambda value, pattern, new: regex.pattern(pattern).sub(regex.replacement(new), value),
    "replaceFirst": lambda value, pattern, new: regex.pattern(pattern).sub(regex.replacement(new), value, count=1),
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
