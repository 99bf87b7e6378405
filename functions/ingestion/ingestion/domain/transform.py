"""Records of the stream, judged one by one. Pure."""

import base64
import binascii
import json
from typing import Any

from ingestion.domain.lines import fault

OK, DROPPED, FAILED = "Ok", "Dropped", "ProcessingFailed"
# An answer of more than 6 MB fails the whole batch. Firehose sends at most 3 MB before base64, and nothing grows here.
MAX_ANSWER_BYTES = 5_500_000


def transform(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One result for each record, in their order and under their ids.

    A line that is an event is passed on as it is, with its line end. An event whose ``event_id`` came before in the same
    batch is dropped: its sender had no answer and sent it again.
    """
    seen: set[str] = set()
    results, size = [], 0
    for record in records:
        result, data = _judged(record["data"], seen)
        size += len(data)
        if size > MAX_ANSWER_BYTES:
            result, data = FAILED, record["data"]
        results.append({"recordId": record["recordId"], "result": result, "data": data})
    return results


def _judged(data: str, seen: set[str]) -> tuple[str, str]:
    try:
        text = base64.b64decode(data, validate=True)
        line = json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        return FAILED, data
    if fault(line):
        return FAILED, data
    event_id = line["event"]["event_id"]
    if event_id in seen:
        return DROPPED, data
    seen.add(event_id)
    return OK, data if text.endswith(b"\n") else base64.b64encode(text + b"\n").decode()
