"""The service ``ingestion`` in tests: objects are delivered and processed as by Firehose, EventBridge and Lambda."""

import gzip
import json
from typing import Any

import boto3

from tests.faults import Faults
from tests.service import Service

KEY = "events/2026/01/01/00/object.gz"


def event_line(event_id: str = "e1", **members: Any) -> dict[str, Any]:
    """An event in its envelope; ``members`` replace those of the event."""
    event = {"event_id": event_id, "type": "page.viewed", "occurred_at": "2026-01-01T00:00:00Z", "data": {}}
    return {"received_at": 1767225600000, "request_id": "r", "event": event | members}


def content_of(*documents: Any, separator: str = "\n") -> bytes:
    """A gzipped object of these documents."""
    return gzip.compress(separator.join(json.dumps(document) for document in documents).encode(), mtime=0)


class Ingestion:
    """The service; invocations of its processing functions raise ``invoke_error`` or are recorded, and have no effect."""

    def __init__(self, service: Service, faults: Faults) -> None:
        self.service = service
        self.invoke_error: Exception | None = None
        self._faults = faults
        faults.respond("Invoke", self._invoke)

    def store(self, content: bytes, key: str = KEY) -> dict[str, str]:
        """An object as the stream delivers it: {bucket, key, etag}."""
        bucket = self.service.name("Bucket")
        etag = boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=content)["ETag"].strip('"')
        return {"bucket": bucket, "key": key, "etag": etag}

    def fan_out(self, event_object: dict[str, str]) -> dict[str, int]:
        detail = {
            "bucket": {"name": event_object["bucket"]},
            "object": {"key": event_object["key"], "etag": event_object["etag"], "size": 1, "sequencer": "1"},
        }
        result: dict[str, int] = self.service.invoke("fan_out", {"detail": detail})
        return result

    def roll_up(self, event_object: dict[str, str]) -> int:
        """The number of events that were counted."""
        return int(self.service.invoke("roll_up", event_object)["counted"])

    def partition(self, event_object: dict[str, str]) -> int:
        """The number of files that were written."""
        return int(self.service.invoke("partition_events", event_object)["files"])

    def _invoke(self, request: Any) -> dict[str, int]:
        if self.invoke_error:
            raise self.invoke_error
        return {"StatusCode": 202}

    def invocations(self) -> list[tuple[str, str, Any]]:
        """(function, invocation type, payload) of each invocation of a processing function."""
        return [
            (request["FunctionName"], request["InvocationType"], json.loads(request["Payload"]))
            for request in self._faults.requests("Invoke")
        ]

    def objects(self, prefix: str) -> dict[str, bytes]:
        """{key: content} below a prefix."""
        return {key: self.service.read_object("Bucket", key) for key in self.service.object_keys("Bucket", prefix)}

    def counts(self) -> dict[str, int]:
        return {item["counter"]: item["events"] for item in self.service.items("CountsTable") if "events" in item}
