"""Events of the checkout bus: the envelope of the talk's slide, checked against its schema before it is sent.

    detail-type: "State change Notification", source: service-<name>-<stage>
    detail: {"event": {"meta_data": {site_id, type, subtype, status, version, event_id, correlation_id, causation_id,
                                     occurred_at},
                       "data": {...}}}

Each event is described by ``schemas/events/<type>.<subtype>.<status>.json`` (lower case), which the layer carries.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

from setpieces.aws import client
from setpieces.observability import correlation_id
from setpieces.settings import SITE_ID, STAGE, setting

DETAIL_TYPE = "State change Notification"
VERSION = "1"
MAX_ENTRIES = 10
MAX_TRIES = 3
_SCHEMAS = Path(__file__).parent / "schemas"
_NAMESPACE = UUID("6f9a3d5e-2f0b-5c3e-9a54-6b1f2c7d8e90")


class PublishFailed(Exception):
    """The bus refused entries although they were sent again; nothing says that they were delivered."""


@dataclass(frozen=True)
class Event:
    """A business event as services know it; ``kind`` is (type, subtype, status), e.g. ("CHECKOUT", "ORDER", "SUBMIT")."""

    kind: tuple[str, str, str]
    data: dict[str, Any]
    event_id: str = field(default_factory=lambda: str(uuid4()))
    correlation_id: str = field(default_factory=correlation_id)
    causation_id: str | None = None
    occurred_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))

    def detail(self) -> dict[str, Any]:
        """The ``detail`` of the EventBridge event."""
        kind = dict(zip(("type", "subtype", "status"), self.kind, strict=True))
        meta_data = {
            "site_id": SITE_ID,
            **kind,
            "version": VERSION,
            "event_id": self.event_id,
            "correlation_id": self.correlation_id,
            "occurred_at": self.occurred_at,
        }
        if self.causation_id:
            meta_data["causation_id"] = self.causation_id
        return {"event": {"meta_data": meta_data, "data": self.data}}


def derived_id(*parts: str) -> str:
    """An event id that is the same whenever it is made from the same parts, so that a repeat can be recognised."""
    return str(uuid5(_NAMESPACE, "\x1f".join(parts)))


def parse(detail: dict[str, Any]) -> Event:
    """The event in a bus event's ``detail``. Raises ``jsonschema.ValidationError`` or KeyError if it is not one."""
    meta_data = detail["event"]["meta_data"]
    kind = (meta_data["type"], meta_data["subtype"], meta_data["status"])
    _validator(kind).validate(detail)
    return Event(
        kind=kind,
        data=detail["event"]["data"],
        event_id=meta_data["event_id"],
        correlation_id=meta_data["correlation_id"],
        causation_id=meta_data.get("causation_id"),
        occurred_at=meta_data["occurred_at"],
    )


def check(event: Event) -> None:
    """Raises ``jsonschema.ValidationError`` if ``event`` does not fit its schema, KeyError if there is none for its kind."""
    _validator(event.kind).validate(event.detail())


def publish(*events: Event, source: str) -> None:
    """Validate ``events`` and put them on the bus named by ``EVENT_BUS_NAME``; ``source`` is the service's short name.

    Raises ``jsonschema.ValidationError`` before anything is sent, and ``PublishFailed``.
    """
    refused = offer(*events, source=source)
    if refused:
        raise PublishFailed(f"{len(refused)} events were refused by the bus")


def offer(*events: Event, source: str) -> list[Event]:
    """As ``publish``, but gives back the events that the bus refuses however often they are sent.

    PutEvents answers 200 with FailedEntryCount > 0: the entries that it refused are sent again, and only those.
    """
    entries = [(event, _entry(event, source)) for event in events]
    refused: list[Event] = []
    for start in range(0, len(entries), MAX_ENTRIES):
        waiting = entries[start : start + MAX_ENTRIES]
        for _ in range(MAX_TRIES):
            answer = client("events").put_events(Entries=[entry for _, entry in waiting])
            results = zip(waiting, answer["Entries"], strict=True)
            waiting = [sent for sent, result in results if "ErrorCode" in result]
            if not waiting:
                break
        refused += [event for event, _ in waiting]
    return refused


def _entry(event: Event, source: str) -> dict[str, Any]:
    check(event)
    return {
        "EventBusName": setting("EVENT_BUS_NAME"),
        "Source": f"service-{source}-{STAGE}",
        "DetailType": DETAIL_TYPE,
        "Resources": [setting("EVENT_BUS_ARN")],
        "Detail": json.dumps(event.detail()),
    }


@cache
def _validator(kind: tuple[str, str, str]) -> Any:
    """The validator of one kind of event; jsonschema is imported here because reading an API request does not need it."""
    from jsonschema import Draft202012Validator

    path = _SCHEMAS / f"{'.'.join(kind).lower()}.json"
    if not path.is_file():
        raise KeyError(f"no schema for event {kind}")
    return Draft202012Validator(json.loads(path.read_text()))
