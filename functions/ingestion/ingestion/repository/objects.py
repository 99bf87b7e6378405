"""The bucket.

events/...                                     event objects, which the stream delivers
errors/corrupt/<key>.<etag>.ndjson             invalid lines of an object: {object, line, reason, text}
analytics/type=/date=/hour=/<name>.json.gz     events of an object by partition
"""

import hashlib
import json
from collections.abc import Iterator

from ingestion.domain.lines import InvalidLine, Line, read_lines
from ingestion.domain.objects import EventObject
from setpieces.aws import client


def read(event_object: EventObject) -> Iterator[Line | InvalidLine]:
    """The lines of an object."""
    response = client("s3").get_object(Bucket=event_object.bucket, Key=event_object.key)
    return read_lines(response["Body"].read())


def read_events(event_object: EventObject) -> Iterator[Line]:
    """The lines of an object without the invalid ones."""
    return (line for line in read(event_object) if not isinstance(line, InvalidLine))


def store_invalid_lines(event_object: EventObject, lines: list[InvalidLine]) -> None:
    """Store the invalid lines of an object; a repetition writes the same object again."""
    rows = (
        json.dumps({"object": event_object.key, "line": line.line, "reason": line.reason, "text": line.text})
        for line in lines
    )
    client("s3").put_object(
        Bucket=event_object.bucket,
        Key=f"errors/corrupt/{event_object.key}.{event_object.etag}.ndjson",
        Body="\n".join(rows).encode() + b"\n",
    )


def store_partitions(event_object: EventObject, partitions: dict[str, bytes]) -> None:
    """Store the partitions of an object; a repetition writes the same files again."""
    name = hashlib.sha256(event_object.identity.encode()).hexdigest()[:32]
    for partition, content in partitions.items():
        client("s3").put_object(
            Bucket=event_object.bucket,
            Key=f"analytics/{partition}/{name}.json.gz",
            Body=content,
            ContentType="application/gzip",
        )
