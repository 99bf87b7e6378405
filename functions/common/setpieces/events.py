"""Events of the checkout bus: the envelope of the talk's slide, checked against its schema before it is sent.

    detail-type: "State change Notification", source: service-<name>-<stage>
    detail: {"event": {"meta_data": {site_id, type, subtype, status, version, event_id, correlation_id, causation_id,
                                     occurred_at},
                       "data": {...}}}

Each event is described by ``schemas/events/<type>.<subtype>.<status>.json`` (lower case), which the layer carries. A publisher
keeps to its schema exactly. A consumer may be older than the publisher: it takes any minor version (``1``, ``1.1`` ...) and
ignores what it does not know.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4, uuid5

from setpieces.aws import AwsUnavailable, client
from setpieces.observability import correlation_id
from setpieces.settings import SITE_ID, STAGE, setting

if TYPE_CHECKING:
    from types_boto3_events.type_defs import PutEventsRequestEntryTypeDef

DETAIL_TYPE = "State change Notification"
VERSION = "1"
MAX_ENTRIES = 10
MAX_TRIES = 3
_SCHEMAS = Path(__file__).parent / "schemas"
_NAMESPACE = UUID("6f9a3d5e-2f0b-5c3e-9a54-6b1f2c7d8e90")


class PublishFailed(AwsUnavailable):
    """The bus refused entries although they were sent again; nothing says that they were delivered."""


class InvalidEvent(Exception):
    """The event does not fit its schema. The text is a JSON pointer to what does not, never the value: it ends in logs and dead
    letters.
    """


class UnknownVersion(Exception):
    """The event has another major version than this code knows; a newer release will read it."""


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


def profile_updated_id(customer_id: str, version: int) -> str:
    """The id of the event about one version of a profile, which the customers service and the event relay both publish."""
    return derived_id("profile-updated", customer_id, str(version))


def parse(detail: dict[str, Any]) -> Event:
    """The event in a bus event's ``detail``, as a consumer reads it. Raises ``InvalidEvent``, ``UnknownVersion``."""
    match detail:
        case {
            "event": {
                "meta_data": {
                    "type": str(type_),
                    "subtype": str(subtype),
                    "status": str(status),
                    "version": str(version),
                }
            }
        }:
            kind = (type_, subtype, status)
        case _:
            raise InvalidEvent("/event/meta_data")
    if _major(version) != _major(VERSION):
        raise UnknownVersion(f"the event has version {version[:16]!r}, this release reads {VERSION}")
    try:
        validator = _validator(kind, is_open=True)
    except KeyError:
        raise InvalidEvent("/event/meta_data/type") from None
    _validate(validator, detail)
    meta_data = detail["event"]["meta_data"]
    return Event(
        kind=kind,
        data=detail["event"]["data"],
        event_id=meta_data["event_id"],
        correlation_id=meta_data["correlation_id"],
        causation_id=meta_data.get("causation_id"),
        occurred_at=meta_data["occurred_at"],
    )


def validate_event(event: Event) -> None:
    """Raises ``InvalidEvent`` if ``event`` does not fit its schema, KeyError if there is none for its kind."""
    _validate(_validator(event.kind), event.detail())


def publish(*events: Event, source: str) -> None:
    """Validate ``events`` and put them on the bus named by ``EVENT_BUS_NAME``; ``source`` is the service's short name.

    Raises ``InvalidEvent`` before anything is sent, and ``PublishFailed``.
    """
    refused = try_publish(*events, source=source)
    if refused:
        raise PublishFailed(f"{len(refused)} events were refused by the bus")


def try_publish(*events: Event, source: str) -> list[Event]:
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


def _entry(event: Event, source: str) -> "PutEventsRequestEntryTypeDef":
    validate_event(event)
    return {
        "EventBusName": setting("EVENT_BUS_NAME"),
        "Source": f"service-{source}-{STAGE}",
        "DetailType": DETAIL_TYPE,
        "Resources": [setting("EVENT_BUS_ARN")],
        "Detail": json.dumps(event.detail()),
    }


def _validate(validator: Any, detail: dict[str, Any]) -> None:
    error = next(validator.iter_errors(detail), None)
    if error:
        missing: list[str] = []
        if error.validator == "required":
            missing = [name for name in error.validator_value if name not in error.instance][:1]
        raise InvalidEvent("".join(f"/{part}" for part in (*error.absolute_path, *missing)))


def _major(version: str) -> str:
    return version.partition(".")[0]


def _opened(schema: dict[str, Any]) -> dict[str, Any]:
    """``schema`` as consumers apply it: with unknown members, and with any version, which ``parse`` checks itself."""
    opened = {name: value for name, value in schema.items() if name != "additionalProperties"}
    if "properties" in schema:
        opened["properties"] = {
            name: {} if name == "version" and "const" in inner else _opened(inner)
            for name, inner in schema["properties"].items()
        }
    return opened


@cache
def _validator(kind: tuple[str, str, str], *, is_open: bool = False) -> Any:
    """The validator of one kind of event; jsonschema is imported here because reading an API request does not need it."""
    from setpieces.json_schema import Validator

    path = _SCHEMAS / f"{'.'.join(kind).lower()}.json"
    if not path.is_file():
        raise KeyError(f"no schema for event {kind}")
    schema = json.loads(path.read_text())
    return Validator(_opened(schema) if is_open else schema)
