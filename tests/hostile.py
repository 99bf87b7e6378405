"""Input that tries to be more than a value, for mapping templates and for running routes alike."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

STRINGS = (
    "",
    " ",
    '"',
    "\\",
    "it's",
    "line\nbreak\r\ttab\x00\x1f\x7f",
    "é 漢 😀 \u2028 \u202e \ufeff",
    "null",
    "../../etc/passwd",
    "%22%0a%00",
    "${Table} ${!Table}",
    "$input.body $context.requestId $util.parseJson('{}')",
    '#set($id = "order")$id',
    "#if(true)#end #end ## #*",
    '"}, "TableName": "pwned", "x": {"S": "',
    'order", "pwned": "1',
    "\\u0022, \\u0022pwned\\u0022: \\u00221",
    "attribute_exists(id) OR :one = :one",
    "SET num = :zero REMOVE id",
    "#pwned = :pwned",
    "' OR '1'='1",
    "<script>alert(1)</script>",
    "x" * 65_536,
)
# One of these fits each pattern of our models.
FITTING = ("a", "2026-01-01T00:00:00Z")
NUMBERS = (0, -1, 1.5, 10**30, -(10**30), 1e308)
OTHERS: tuple[Any, ...] = (None, True, [], {}, [{}], {"pwned": {"S": "x"}}, [[[[[[[[1]]]]]]]])
# Bodies that are no JSON object, as they go over the wire.
BROKEN = (
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"1",
    b"{",
    b"{" * 5_000,
    b"[" * 5_000 + b"]" * 5_000,
    b"\x00",
    b"\xff\xfe{}",
    b'{"a": NaN, "b": Infinity, "c": -Infinity}',
    b'{"a": 1e999}',
    b"<xml/>",
)
# Values as they are written, which no encoder writes.
LITERALS = (
    "NaN",
    "-Infinity",
    "1e999",
    "1e0",
    "1.0",
    "-0",
    "01",
    "9" * 40,
    "9" * 5_000,
    "1e126",
    '"\\ud800"',
    '"\\u0000"',
    '"\u0661"',
    '"a\\n"',
    '"' + "\u6f22" * 1_000 + '"',
    '{"a": 1, "a": 2}',
    "[" * 600 + "]" * 600,
)


def sample(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """A small value that fits a model: every property of an object, one item of an array.

    ``schemas`` is the document, for ``$ref``. A model that leaves a value open gets a text.
    """
    if "$ref" in schema:
        target: Any = schemas
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return sample(target, schemas)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: sample(inner, schemas) for name, inner in schema.get("properties", {}).items()}
        case "array":
            return [sample(schema.get("items", {}), schemas)]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _ if "pattern" in schema:
            return next(text for text in FITTING if re.search(schema["pattern"], text))
        case _:
            return "a" * max(1, schema.get("minLength", 1))


def mutations(body: Any) -> Iterator[tuple[Any, bool]]:
    """(a hostile copy of ``body``, whether only one value of the same JSON type was put in), one change at a time."""
    for path, value in _leaves(body):
        for hostile in (*STRINGS, *NUMBERS, *OTHERS):
            yield _replaced(body, path, hostile), _kind(hostile) == _kind(value)
        if path:
            yield _removed(body, path), False
    if isinstance(body, dict):
        for name in ("pwned", "TableName", "__proto__", "#set($x = 1)", '"'):
            yield {**body, name: "pwned"}, False


def encodings(body: Any) -> Iterator[bytes]:
    """Copies of ``body``, encoded, each with one of ``LITERALS`` in one place."""
    mark = "@literal@"
    for path, _ in _leaves(body):
        encoded = json.dumps(_replaced(body, path, mark))
        yield from (encoded.replace(json.dumps(mark), literal).encode() for literal in LITERALS)


def duplicated(encoded: bytes) -> bytes:
    """An object with its first member twice."""
    member = re.match(rb'\{\s*("(?:[^"\\]|\\.)*"\s*:\s*)', encoded)
    return encoded.replace(b"{", b"{" + member[1] + b"null,", 1) if member else b'{"a": 1, "a": 2}'


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if path:
        yield path, value
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, (*path, key))


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)


def _replaced(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    body = copy.deepcopy(body)
    _parent(body, path)[path[-1]] = value
    return body


def _removed(body: Any, path: tuple[Any, ...]) -> Any:
    body = copy.deepcopy(body)
    del _parent(body, path)[path[-1]]
    return body


def _parent(body: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        body = body[key]
    return body
