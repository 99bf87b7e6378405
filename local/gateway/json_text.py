"""Strict JSON: what a Java JSON parser accepts, not what Python's does.

`json.loads` takes NaN, Infinity and numbers too large for a double; API Gateway's parser refuses them.
"""

from __future__ import annotations

import json
import math
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


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_double)


def parse(text: str | bytes) -> Any:
    """The value of `text`; MalformedJson for anything else, however hostile (depth, digits, bad UTF-8)."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise MalformedJson(str(error)) from None


def dump(value: Any) -> str:
    """`value` as compact JSON, non-ASCII left as it is."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def encode(text: str) -> bytes:
    """UTF-8 of `text`; a lone surrogate (legal as a JSON escape) becomes `?`, as Java's encoder does it."""
    return text.encode("utf-8", errors="replace")
