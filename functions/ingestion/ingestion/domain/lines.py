"""Events in the objects of the stream: one JSON document after the other, with line ends or without, gzip or plain.

line {received_at: epoch ms, request_id, event: {event_id, type, occurred_at, data}}
"""

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_SCAN = json.JSONDecoder().raw_decode
_REQUIRED = {"event_id": str, "type": str, "occurred_at": str, "data": dict}
# As the API's model has it: a type becomes part of keys, also for who puts records into the stream without the API.
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LATEST = 253_402_300_799_999  # epoch ms of the last moment that a date can hold


@dataclass(frozen=True)
class Corrupt:
    """What stands in an object and is no event; ``text`` is as much of it as fits a log."""

    line: int
    reason: str
    text: str


def events(content: bytes) -> Iterator[dict[str, Any] | Corrupt]:
    """The lines of an object, or why one is none. What stands behind a fault in the same line is lost with it."""
    try:
        plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        yield Corrupt(0, "INVALID_GZIP", str(error))
        return
    # Line by line: as many copies as there are lines would not fit into a function.
    for number, raw in enumerate(io.BytesIO(plain), 1):
        if raw.strip():
            yield from _documents(number, raw.rstrip(b"\n"))


def hour(line: dict[str, Any]) -> str:
    """The hour in which an event was received, UTC: 2026-01-31T13."""
    return datetime.fromtimestamp(line["received_at"] / 1000, UTC).strftime("%Y-%m-%dT%H")


def fault(line: Any) -> str:
    """Why this is no event in its envelope; empty if it is one."""
    if not isinstance(line, dict):
        return "NO_ENVELOPE"
    received_at = line.get("received_at")
    if type(received_at) is not int or not 0 <= received_at <= _LATEST:
        return "NO_ENVELOPE"
    event = line.get("event")
    if not isinstance(event, dict) or not all(isinstance(event.get(name), kind) for name, kind in _REQUIRED.items()):
        return "NO_EVENT"
    return "" if _TYPE.fullmatch(event["type"]) else "NO_EVENT"


def _documents(number: int, raw: bytes) -> Iterator[dict[str, Any] | Corrupt]:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        yield Corrupt(number, "INVALID_UTF8", raw[:200].decode(errors="replace"))
        return
    at = 0
    while at < len(text):
        try:
            line, at = _SCAN(text, at)
        except (ValueError, RecursionError):
            yield Corrupt(number, "INVALID_JSON", text[at : at + 200])
            return
        reason = fault(line)
        yield Corrupt(number, reason, json.dumps(line)[:200]) if reason else line
        while at < len(text) and text[at].isspace():
            at += 1
