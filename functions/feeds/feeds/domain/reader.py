"""The records of a feed, one after the other, out of a stream that is never held as a whole.

A feed is a JSON array, an object with an array ``items``, or one JSON object per line (NDJSON), in UTF-8, plain or gzip.
What can be told apart is judged by itself: a bad line or a bad element is a ``Rejection``, and reading goes on behind it.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from feeds.domain.json_scanner import BLOCK, TooLarge, Values

# A message of SQS has 256 KB. A record that is too large for one is rejected, and so is whatever grows without ending.
MAX_RECORD_BYTES = 200_000
# Blank lines, members before ``items`` or the rest of a line may come between two records. A gigabyte of gzip can hold a
# terabyte of them, and nothing looks at the clock meanwhile: so many blank lines take some ten seconds, of the 90 in reserve.
MAX_BYTES_BETWEEN = 20 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Rejection:
    """Why one record cannot be taken; ``pointer`` (RFC 6901) is where in it."""

    reason: str
    detail: str = ""
    pointer: str = ""


class Unreadable(Exception):
    """A feed that cannot be read on, although the records before were; ``reason`` is a stable code."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class _Members(dict[str, Any]):
    """A JSON object that knows whether a name came twice: readers differ in which of the two they take."""

    twice = ""

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self:
            self.twice = name
        super().__setitem__(name, value)


class _Limit:
    """How many more bytes may be read before the next record."""

    def __init__(self) -> None:
        self.left = MAX_BYTES_BETWEEN

    def spend(self, read: int) -> None:
        self.left -= read
        if self.left < 0:
            raise Unreadable("RECORD_TOO_LARGE", f"no record within {MAX_BYTES_BETWEEN} bytes")


class _Limited(io.RawIOBase):
    """``stream``, of which a ``limit`` is spent: as it is, and as what gzip makes of it, which may also be nothing."""

    def __init__(self, stream: Any, limit: _Limit) -> None:
        self._stream = stream
        self._limit = limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read = int(self._stream.readinto(buffer) or 0)
        self._limit.spend(read)
        return read


class _Rewound(io.RawIOBase):
    """``before`` and then ``rest``, as one stream."""

    def __init__(self, before: bytes, rest: io.BufferedReader[Any]) -> None:
        self._before = before
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        wanted = len(buffer)
        if self._before:
            data, self._before = self._before[:wanted], self._before[wanted:]
        else:
            data = self._rest.read1(wanted)
        buffer[: len(data)] = data
        return len(data)


def records(stream: io.RawIOBase | io.BufferedIOBase) -> Iterator[dict[str, Any] | Rejection]:
    """The feed's records in their order. Raises ``Unreadable``."""
    limit = _Limit()
    try:
        for record in _records(io.BufferedReader(_Limited(stream, limit), BLOCK), limit):
            yield record
            limit.left = MAX_BYTES_BETWEEN
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unreadable("INVALID_GZIP", str(error)) from error


def _records(stream: io.BufferedReader[Any], limit: _Limit) -> Iterator[dict[str, Any] | Rejection]:
    if stream.peek(2)[:2] == _GZIP:
        stream = io.BufferedReader(_Limited(gzip.GzipFile(fileobj=stream), limit), BLOCK)
    first = _first_line(stream)
    if not first:
        raise Unreadable("EMPTY", "the feed has no content")
    by_line = _is_one_record(first) or _is_broken_line(first, stream)
    whole = io.BufferedReader(_Rewound(first, stream), BLOCK)
    yield from _lines(whole) if by_line else _elements(whole)


def _first_line(stream: io.BufferedReader[Any]) -> bytes:
    """The first line that is not blank, or its beginning if it is long, without white space or a byte order mark before it."""
    line = stream.readline(MAX_RECORD_BYTES).removeprefix(_BOM)
    while line and not line.strip():
        line = stream.readline(MAX_RECORD_BYTES)
    return line.lstrip()


def _is_one_record(line: bytes) -> bool:
    """Whether a line is a record of NDJSON, and not (the beginning of) an array or of an object with ``items``."""
    if not line.startswith(b"{"):
        return False
    try:
        return not isinstance(json.loads(line).get("items"), list)
    except (ValueError, RecursionError):
        return line.rstrip().endswith(b"}")


def _is_broken_line(line: bytes, rest: io.BufferedReader[Any]) -> bool:
    """Whether a first line that is no JSON is one of NDJSON: an object begins the next, where one document cannot have one."""
    ended = line.endswith(b"\n") and not line.startswith(b"[") and not line.rstrip().endswith((b"[", b",", b":"))
    return ended and rest.peek(1)[:1] == b"{"


def _elements(stream: io.BufferedReader[Any]) -> Iterator[dict[str, Any] | Rejection]:
    values = Values(stream, _members, MAX_RECORD_BYTES)
    try:
        whole = values.take("[{") == "["
        if not whole:
            _find_items(values)
        yield from _array(values)
        if whole and values.peek():
            raise ValueError("something stands behind the end of the array")
    except TooLarge as error:
        raise Unreadable("RECORD_TOO_LARGE", str(error)) from error
    except UnicodeDecodeError as error:
        raise Unreadable("INVALID_UTF8", error.reason) from error
    except (ValueError, RecursionError) as error:
        raise Unreadable("INVALID_JSON", str(error)[:200]) from error


def _find_items(values: Values) -> None:
    """Pass over the members of an object up to the beginning of the array ``items``; what comes behind that is not read."""
    end = "{"
    while end != "}" and values.peek() != "}":
        name = values.value()
        values.take(":")
        if name == "items":
            values.take("[")
            return
        values.value()
        end = values.take(",}")
    raise Unreadable("NO_ITEMS", "the object has no array items")


def _array(values: Values) -> Iterator[dict[str, Any] | Rejection]:
    end = "," if values.peek() != "]" else values.take("]")
    while end == ",":
        yield _judged(values.value())
        end = values.take(",]")


def _lines(stream: io.BufferedReader[Any]) -> Iterator[dict[str, Any] | Rejection]:
    while line := stream.readline(MAX_RECORD_BYTES + 1):
        if len(line) > MAX_RECORD_BYTES:
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_RECORD_BYTES)
            yield Rejection("RECORD_TOO_LARGE", f"more than {MAX_RECORD_BYTES} bytes")
        elif line.strip():
            yield _parsed(line)


def _parsed(line: bytes) -> dict[str, Any] | Rejection:
    try:
        return _judged(json.loads(line.decode(), object_pairs_hook=_members))
    except UnicodeDecodeError as error:
        return Rejection("INVALID_UTF8", f"at byte {error.start} of the line")
    except (ValueError, RecursionError) as error:
        return Rejection("INVALID_JSON", str(error)[:200])


def _members(pairs: list[tuple[str, Any]]) -> _Members:
    members = _Members()
    for name, value in pairs:
        members[name] = value
    return members


def _judged(element: Any) -> dict[str, Any] | Rejection:
    if not isinstance(element, _Members):
        return Rejection("NOT_AN_OBJECT", "a record is a JSON object")
    if element.twice:
        return Rejection("DUPLICATE_NAME", "a name stands in the record twice", f"/{element.twice[:64]}")
    return element
