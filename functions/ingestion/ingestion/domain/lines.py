"""Lines of event objects: JSON documents one after the other, with or without line ends, gzip or plain. Pure."""

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict, cast


class Event(TypedDict):
    """An event as its producer sent it; it may have further members."""

    event_id: str
    type: str
    occurred_at: str
    data: dict[str, Any]


class Line(TypedDict):
    """An event in its envelope; ``received_at`` is in epoch milliseconds."""

    received_at: int
    request_id: str
    event: Event


@dataclass(frozen=True)
class InvalidLine:
    """A part of an object that is not an event; ``text`` is its beginning, for people."""

    line: int
    reason: str
    text: str


_decode = json.JSONDecoder().raw_decode
_REQUIRED = {"event_id": str, "type": str, "occurred_at": str, "data": dict}
# As in the API's model. Types become part of keys, and records may be put into the stream without the API.
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_RECEIVED_AT = 253_402_300_799_999  # the last millisecond of the year 9999
_MAX_TEXT = 200


def read_lines(content: bytes) -> Iterator[Line | InvalidLine]:
    """The lines of an object. After an invalid document, the rest of its line is not read."""
    try:
        plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        yield InvalidLine(0, "INVALID_GZIP", str(error))
        return
    # Line by line: a copy of all lines would not fit into the memory of a function.
    for number, raw in enumerate(io.BytesIO(plain), 1):
        if raw.strip():
            yield from _read_documents(number, raw.rstrip(b"\n"))


def received_hour(line: Line) -> str:
    """The hour in which an event was received, UTC: 2026-01-31T13."""
    return datetime.fromtimestamp(line["received_at"] / 1000, UTC).strftime("%Y-%m-%dT%H")


def invalid_reason(document: Any) -> str:
    """The reason why a document is not an event in its envelope, empty if it is."""
    if not isinstance(document, dict):
        return "NO_ENVELOPE"
    received_at = document.get("received_at")
    if type(received_at) is not int or not 0 <= received_at <= _MAX_RECEIVED_AT:
        return "NO_ENVELOPE"
    event = document.get("event")
    if not isinstance(event, dict) or not all(isinstance(event.get(name), kind) for name, kind in _REQUIRED.items()):
        return "NO_EVENT"
    return "" if _TYPE.fullmatch(event["type"]) else "NO_EVENT"


def _read_documents(number: int, raw: bytes) -> Iterator[Line | InvalidLine]:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        yield InvalidLine(number, "INVALID_UTF8", raw[:_MAX_TEXT].decode(errors="replace"))
        return
    position = 0
    while position < len(text):
        try:
            document, position = _decode(text, position)
        except (ValueError, RecursionError):
            yield InvalidLine(number, "INVALID_JSON", text[position : position + _MAX_TEXT])
            return
        reason = invalid_reason(document)
        yield InvalidLine(number, reason, json.dumps(document)[:_MAX_TEXT]) if reason else cast(Line, document)
        while position < len(text) and text[position].isspace():
            position += 1
