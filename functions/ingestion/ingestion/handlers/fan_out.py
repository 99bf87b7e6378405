"""A delivered object: what is no event in it is put aside, and every processing function is told of it, asynchronously."""

import json
from typing import Any

from ingestion.clients import Delivered, read, told
from ingestion.domain.lines import Corrupt, events
from setpieces.aws import client
from setpieces.observability import logger, metrics, observed
from setpieces.settings import setting


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """``event`` is S3's Object Created. Returns {events, corrupt}."""
    delivered = told(event)
    corrupt, count = [], 0
    for line in events(read(delivered)):
        if isinstance(line, Corrupt):
            corrupt.append(line)
        else:
            count += 1
    if corrupt:
        _put_aside(delivered, corrupt)
    if count:
        for function in setting("PROCESSORS").split(","):
            client("lambda").invoke(
                FunctionName=function, InvocationType="Event", Payload=json.dumps(delivered.payload()).encode()
            )
    metrics.add_metric(name="CorruptLines", unit="Count", value=len(corrupt))
    counts: dict[str, Any] = {"events": count, "corrupt": len(corrupt)}
    logger.info("fanned out", extra=delivered.payload() | counts)
    return counts


def _put_aside(delivered: Delivered, corrupt: list[Corrupt]) -> None:
    """One line for each, under a key of the object's, so that a repeat writes the same object."""
    lines = (
        json.dumps({"object": delivered.key, "line": line.line, "reason": line.reason, "text": line.text})
        for line in corrupt
    )
    client("s3").put_object(
        Bucket=delivered.bucket,
        Key=f"errors/corrupt/{delivered.key}.{delivered.etag}.ndjson",
        Body="\n".join(lines).encode() + b"\n",
    )
