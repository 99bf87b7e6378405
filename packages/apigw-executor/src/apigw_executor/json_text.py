"""Strict JSON: what a Java JSON parser accepts, not what Python's does.

`json.loads` takes NaN, Infinity and numbers too large for a double; API Gateway's parser refuses them.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any, NoReturn


class MalformedJson(ValueError):
    """The text is not JSON."""


def _refuse(constant: str) -> NoReturn:
    raise MalformedJson(f"{constant} is not JSON")


def _double(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise MalformedJson("number out of range")
    return value


_WHITESPACE = " \t\n\r"
_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_double)


def is_blank(text: str | bytes) -> bool:
    """Whether `text` is nothing but the whitespace of JSON (RFC 8259, section 2); `str.strip` takes more for whitespace."""
    return not (text.strip(_WHITESPACE) if isinstance(text, str) else text.strip(_WHITESPACE.encode()))


def parse(text: str | bytes) -> Any:
    """The value of `text`; MalformedJson for anything else, however hostile (depth, digits, bad UTF-8)."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise MalformedJson(str(error)) from None


# A control character as Python writes it, after an even number of backslashes; a number that has a fraction or an exponent.
_CONTROL = re.compile(r"\\\\|\\u00[01][0-9a-f]")
_FRACTION = re.compile(r"\d(?:\.\d|e)")


def dump(value: Any) -> str:
    """`value` as compact JSON as Jackson writes it: non-ASCII left as it is, capital hex digits, fractions as Java prints
    them (`1.23456789125E8`)."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    if _FRACTION.search(text):
        text = _with_java_fractions(value)
    if "\\u00" in text:
        text = _CONTROL.sub(lambda match: match[0] if match[0] == "\\\\" else "\\u" + match[0][2:].upper(), text)
    return text


def _with_java_fractions(value: Any) -> str:
    if isinstance(value, float):
        return double_text(value)
    if isinstance(value, dict):
        members = (f"{json.dumps(str(key), ensure_ascii=False)}:{_with_java_fractions(value[key])}" for key in value)
        return "{" + ",".join(members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_with_java_fractions, value)) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)


def double_text(value: float) -> str:
    """Double.toString: exponent form outside 1e-3 .. 1e7, always a fraction digit."""
    if math.isnan(value) or math.isinf(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    exact = Decimal(repr(value))
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        plain = f"{exact:f}"
        return plain if "." in plain else f"{plain}.0"
    digits = "".join(map(str, exact.as_tuple().digits))
    exponent = exact.adjusted()
    significant = digits.rstrip("0") or "0"
    return f"{'-' if value < 0 else ''}{significant[0]}.{significant[1:] or '0'}E{exponent}"


def encode(text: str) -> bytes:
    """UTF-8 of `text`; a lone surrogate (legal as a JSON escape) becomes `?`, as Java's encoder does it."""
    return text.encode("utf-8", errors="replace")
