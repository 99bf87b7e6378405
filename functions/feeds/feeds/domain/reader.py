"""Reads the records of a feed one by one from a stream that is never held in memory as a whole.

A feed is a JSON array, an object with an array ``items``, or one JSON object per line (NDJSON), in UTF-8, plain or gzip. An
invalid line or element is a ``Rejection``, and reading continues after it.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from typing import Any

from feeds.domain.json_scanner import BLOCK, JsonScanner, TooLarge
from feeds.domain.rejections import Rejection, UnreadableFeed
from feeds.domain.streams import ByteLimit, LimitedStream, PrefixedStream

# A message of SQS has 256 KB. A larger record is rejected, and so is one that does not end.
MAX_RECORD_BYTES = 200_000
# Blank lines, members before ``items`` or the rest of a line may come between two records. A gigabyte of gzip can hold a
# terabyte of them, and the clock is only checked at records: 20 MB of blank lines take some ten seconds, of the 90 in reserve.
MAX_BYTES_BETWEEN_RECORDS = 20 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class _Object(dict[str, Any]):
    """A JSON object; ``duplicate`` is a name that it has twice, or "". Parsers differ in which of the two members they take."""

    duplicate = ""

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self:
            self.duplicate = name
        super().__setitem__(name, value)


def read_records(stream: io.RawIOBase | io.BufferedIOBase) -> Iterator[dict[str, Any] | Rejection]:
    """The feed's records in their order. Raises ``UnreadableFeed``."""
    limit = ByteLimit(MAX_BYTES_BETWEEN_RECORDS)
    try:
        for record in _read_plain_or_gzip(io.BufferedReader(LimitedStream(stream, limit), BLOCK), limit):
            yield record
            limit.reset()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableFeed("INVALID_GZIP", str(error)) from error


def _read_plain_or_gzip(stream: io.BufferedReader[Any], limit: ByteLimit) -> Iterator[dict[str, Any] | Rejection]:
    if stream.peek(2)[:2] == _GZIP:
        # Limited again: the compressed bytes may be few, and so may the decompressed ones (gzip of nothing).
        stream = io.BufferedReader(LimitedStream(gzip.GzipFile(fileobj=stream), limit), BLOCK)
    first = _read_first_line(stream)
    if not first:
        raise UnreadableFeed("EMPTY", "the feed has no content")
    is_ndjson = _is_record(first) or _is_broken_record(first, stream)
    whole = io.BufferedReader(PrefixedStream(first, stream), BLOCK)
    yield from _read_lines(whole) if is_ndjson else _read_document(whole)


def _read_first_line(stream: io.BufferedReader[Any]) -> bytes:
    """The first line that is not blank, or the beginning of a long one, without byte order mark and leading white space."""
    line = stream.readline(MAX_RECORD_BYTES).removeprefix(_BOM)
    while line and not line.strip():
        line = stream.readline(MAX_RECORD_BYTES)
    return line.lstrip()


def _is_record(line: bytes) -> bool:
    """Whether a line is a record of NDJSON, and not (the beginning of) an array or of an object with ``items``."""
    if not line.startswith(b"{"):
        return False
    try:
        return not isinstance(json.loads(line).get("items"), list)
    except (ValueError, RecursionError):
        return line.rstrip().endswith(b"}")


def _is_broken_record(line: bytes, rest: io.BufferedReader[Any]) -> bool:
    """Whether a first line that is not JSON is a record of NDJSON: the next line begins with an object, which is not possible
    at this place of a single document.
    """
    ended = line.endswith(b"\n") and not line.startswith(b"[") and not line.rstrip().endswith((b"[", b",", b":"))
    return ended and rest.peek(1)[:1] == b"{"


def _read_document(stream: io.BufferedReader[Any]) -> Iterator[dict[str, Any] | Rejection]:
    scanner = JsonScanner(stream, _to_object, MAX_RECORD_BYTES)
    try:
        is_array = scanner.take("[{") == "["
        if not is_array:
            _skip_to_items(scanner)
        yield from _read_array(scanner)
        if is_array and scanner.peek():
            raise ValueError("unexpected data after the end of the array")
    except TooLarge as error:
        raise UnreadableFeed("RECORD_TOO_LARGE", str(error)) from error
    except UnicodeDecodeError as error:
        raise UnreadableFeed("INVALID_UTF8", error.reason) from error
    except (ValueError, RecursionError) as error:
        raise UnreadableFeed("INVALID_JSON", str(error)[:200]) from error


def _skip_to_items(scanner: JsonScanner) -> None:
    """Skip the members of an object up to the beginning of the array ``items``; members after it are not read."""
    separator = "{"
    while separator != "}" and scanner.peek() != "}":
        name = scanner.take_value()
        scanner.take(":")
        if name == "items":
            scanner.take("[")
            return
        scanner.take_value()
        separator = scanner.take(",}")
    raise UnreadableFeed("NO_ITEMS", "the object has no array items")


def _read_array(scanner: JsonScanner) -> Iterator[dict[str, Any] | Rejection]:
    """The elements of an array whose ``[`` is consumed, up to its end."""
    separator = "," if scanner.peek() != "]" else scanner.take("]")
    while separator == ",":
        yield _to_record(scanner.take_value())
        separator = scanner.take(",]")


def _read_lines(stream: io.BufferedReader[Any]) -> Iterator[dict[str, Any] | Rejection]:
    while line := stream.readline(MAX_RECORD_BYTES + 1):
        if len(line) > MAX_RECORD_BYTES:
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_RECORD_BYTES)
            yield Rejection("RECORD_TOO_LARGE", f"more than {MAX_RECORD_BYTES} bytes")
        elif line.strip():
            yield _parse_line(line)


def _parse_line(line: bytes) -> dict[str, Any] | Rejection:
    try:
        return _to_record(json.loads(line.decode(), object_pairs_hook=_to_object))
    except UnicodeDecodeError as error:
        return Rejection("INVALID_UTF8", f"at byte {error.start} of the line")
    except (ValueError, RecursionError) as error:
        return Rejection("INVALID_JSON", str(error)[:200])


def _to_object(pairs: list[tuple[str, Any]]) -> _Object:
    result = _Object()
    for name, value in pairs:
        result[name] = value
    return result


def _to_record(element: Any) -> dict[str, Any] | Rejection:
    """A parsed JSON value as a record; a ``Rejection`` if it is no object, or has a duplicate name."""
    if not isinstance(element, _Object):
        return Rejection("NOT_AN_OBJECT", "a record is a JSON object")
    if element.duplicate:
        return Rejection("DUPLICATE_NAME", "the record has a duplicate name", f"/{element.duplicate[:64]}")
    return element
