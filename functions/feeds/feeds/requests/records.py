"""Messages of the records queue, parsed into commands."""

from dataclasses import dataclass
from typing import Any

from setpieces.errors import PermanentFailure
from setpieces.sqs_consumer import Record as Message
from setpieces.sqs_consumer import parse_body

_MEMBERS = {"feed_id": str, "type": str, "run": str, "number": int, "purge_at": int, "record": dict}


@dataclass(frozen=True)
class UpdateRecord:
    """Update the platform with ``record``, the record ``number`` (from 0) of ``run``, whose items expire at ``purge_at``."""

    run: str
    number: int
    purge_at: int
    record: dict[str, Any]


def parse_update_record(message: Message, feed_type: str) -> UpdateRecord:
    """Raises ``PermanentFailure`` INVALID_JSON, INVALID_MESSAGE."""
    body = parse_body(message)
    if not all(type(body.get(name)) is kind for name, kind in _MEMBERS.items()):
        raise PermanentFailure("INVALID_MESSAGE", "not a message of a feed")
    if body["type"] != feed_type:
        raise PermanentFailure("INVALID_MESSAGE", "of another feed type")
    return UpdateRecord(body["run"], body["number"], body["purge_at"], body["record"])
