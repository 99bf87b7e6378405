"""Records of the stream, which Firehose has validated before it delivers them. Pure."""

import base64
import binascii
import json
from typing import Literal, TypedDict

from ingestion.domain.lines import invalid_reason

Result = Literal["Ok", "Dropped", "ProcessingFailed"]
# A response of more than 6 MB fails the whole batch. Firehose sends at most 3 MB before base64.
MAX_RESPONSE_BYTES = 5_500_000


class Record(TypedDict):
    """A record of the stream; ``data`` is in base64."""

    recordId: str
    data: str


class ValidatedRecord(Record):
    """A record with its result."""

    result: Result


def validate_records(records: list[Record]) -> list[ValidatedRecord]:
    """The records in their order, each with its result.

    An event is ``Ok`` and gets a line end if it has none. An event with an ``event_id`` that came before in the same batch is
    ``Dropped``: its producer received no response and sent it again.
    """
    event_ids: set[str] = set()
    validated: list[ValidatedRecord] = []
    size = 0
    for record in records:
        result, data = _validate(record["data"], event_ids)
        size += len(data)
        if size > MAX_RESPONSE_BYTES:
            result, data = "ProcessingFailed", record["data"]
        validated.append({"recordId": record["recordId"], "result": result, "data": data})
    return validated


def _validate(data: str, event_ids: set[str]) -> tuple[Result, str]:
    """(result, data); the id of an event is added to ``event_ids``."""
    try:
        text = base64.b64decode(data, validate=True)
        document = json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        return "ProcessingFailed", data
    if invalid_reason(document):
        return "ProcessingFailed", data
    event_id = document["event"]["event_id"]
    if event_id in event_ids:
        return "Dropped", data
    event_ids.add(event_id)
    return "Ok", data if text.endswith(b"\n") else base64.b64encode(text + b"\n").decode()
