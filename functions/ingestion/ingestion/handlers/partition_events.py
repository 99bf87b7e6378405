"""A processing function: events by type, date and hour, as Athena and DuckDB read them (``analytics/type=.../date=.../``)."""

import gzip
import hashlib
import io
import json
from collections import defaultdict
from typing import Any

from ingestion.clients import Delivered, read
from ingestion.domain.lines import Corrupt, events, hour
from setpieces.aws import client
from setpieces.observability import logger, observed
from setpieces.stored import known


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """``event`` is {bucket, key, etag}. Returns {files}."""
    delivered = known(Delivered, event)
    parts: dict[str, _File] = defaultdict(_File)
    for line in events(read(delivered)):
        if not isinstance(line, Corrupt):
            date, _, clock = hour(line).partition("T")
            parts[f"type={line['event']['type']}/date={date}/hour={clock}"].add(line)
    # The same object is the same file: a repeat writes what is there.
    name = hashlib.sha256(delivered.identity.encode()).hexdigest()[:32]
    for part, file in parts.items():
        client("s3").put_object(
            Bucket=delivered.bucket,
            Key=f"analytics/{part}/{name}.json.gz",
            Body=file.content(),
            ContentType="application/gzip",
        )
    logger.info("partitioned", extra=delivered.payload() | {"files": len(parts)})
    return {"files": len(parts)}


class _File:
    """One flat object for each event: columns are easier to query than what is nested. Compressed as it grows."""

    def __init__(self) -> None:
        self._content = io.BytesIO()
        self._compressed = gzip.GzipFile(fileobj=self._content, mode="wb", mtime=0)

    def add(self, line: dict[str, Any]) -> None:
        row = {"received_at": line["received_at"], "request_id": line.get("request_id"), **line["event"]}
        self._compressed.write(json.dumps(row).encode() + b"\n")

    def content(self) -> bytes:
        self._compressed.close()
        return self._content.getvalue()
