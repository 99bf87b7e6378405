"""Partitions of events by type, date and hour, as Athena and DuckDB query them. Pure."""

import gzip
import io
import json
from collections import defaultdict
from collections.abc import Iterable

from ingestion.domain.lines import Line, received_hour


def partition(lines: Iterable[Line]) -> dict[str, bytes]:
    """{``type=.../date=.../hour=...``: gzipped JSON lines}; the same events give the same bytes.

    A row is flat, because columns are easier to query: {received_at, request_id, ...members of the event}.
    """
    files: dict[str, _File] = defaultdict(_File)
    for line in lines:
        date, _, hour = received_hour(line).partition("T")
        files[f"type={line['event']['type']}/date={date}/hour={hour}"].add(line)
    return {name: file.content() for name, file in files.items()}


class _File:
    """Rows of a partition, compressed as they are added."""

    def __init__(self) -> None:
        self._content = io.BytesIO()
        self._compressed = gzip.GzipFile(fileobj=self._content, mode="wb", mtime=0)

    def add(self, line: Line) -> None:
        row = {"received_at": line["received_at"], "request_id": line.get("request_id"), **line["event"]}
        self._compressed.write(json.dumps(row).encode() + b"\n")

    def content(self) -> bytes:
        self._compressed.close()
        return self._content.getvalue()
