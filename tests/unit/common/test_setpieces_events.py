"""Events: the envelope, its schema, and a bus that refuses some of them."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from setpieces import events
from setpieces.events import Event, InvalidEvent, PublishFailed, derived_id, parse, publish

SCHEMA = {
    "type": "object",
    "required": ["event"],
    "properties": {
        "event": {
            "type": "object",
            "properties": {"data": {"type": "object", "required": ["order_number"]}},
        }
    },
}
KIND = ("CHECKOUT", "ORDER", "COMPLETE")


@pytest.fixture(autouse=True)
def _schema(tmp_path, monkeypatch):
    (tmp_path / "checkout.order.complete.json").write_text(json.dumps(SCHEMA))
    monkeypatch.setattr(events, "_SCHEMAS", tmp_path)
    monkeypatch.setenv("EVENT_BUS_NAME", "checkout-bus")
    monkeypatch.setenv("EVENT_BUS_ARN", "arn:aws:events:eu-central-1:111122223333:event-bus/checkout-bus")
    events._validator.cache_clear()
    yield
    events._validator.cache_clear()


class Bus:
    """Refuses the entries whose turn is in ``refusals``: a list of sets of positions, one per call."""

    def __init__(self, *refusals: set[int]) -> None:
        self.refusals = list(refusals)
        self.calls: list[list[str]] = []

    def put_events(self, Entries):
        self.calls.append([json.loads(entry["Detail"])["event"]["data"]["order_number"] for entry in Entries])
        refused = self.refusals.pop(0) if self.refusals else set()
        return {"Entries": [{"ErrorCode": "x"} if n in refused else {"EventId": "e"} for n in range(len(Entries))]}


def complete(number: str) -> Event:
    return Event(KIND, {"order_number": number}, correlation_id="c")


def test_the_envelope_is_the_documented_one(monkeypatch):
    entries: list[dict[str, Any]] = []

    def put_events(Entries: list[dict[str, Any]]) -> dict[str, Any]:
        entries.extend(Entries)
        return {"Entries": [{}]}

    monkeypatch.setattr(events, "client", lambda _: SimpleNamespace(put_events=put_events))
    publish(complete("T123456789"), source="order-submit")
    (entry,) = entries
    assert entry["DetailType"] == "State change Notification"
    assert entry["Source"] == "service-order-submit-local"
    meta_data = json.loads(entry["Detail"])["event"]["meta_data"]
    assert {name: meta_data[name] for name in ("site_id", "type", "subtype", "status")} == {
        "site_id": "Brick Shop",
        "type": "CHECKOUT",
        "subtype": "ORDER",
        "status": "COMPLETE",
    }


def test_only_refused_entries_are_sent_again(monkeypatch):
    bus = Bus({1}, set())
    monkeypatch.setattr(events, "client", lambda _: bus)
    publish(*(complete(n) for n in "abc"), source="order")
    assert bus.calls == [["a", "b", "c"], ["b"]]


def test_a_bus_that_keeps_refusing_is_an_error(monkeypatch):
    monkeypatch.setattr(events, "client", lambda _: Bus({0}, {0}, {0}))
    with pytest.raises(PublishFailed):
        publish(complete("a"), source="order")


def test_more_than_ten_events_go_in_several_calls(monkeypatch):
    bus = Bus()
    monkeypatch.setattr(events, "client", lambda _: bus)
    publish(*(complete(str(n)) for n in range(23)), source="order")
    assert [len(call) for call in bus.calls] == [10, 10, 3]


def test_nothing_is_sent_when_one_event_is_invalid(monkeypatch):
    bus = Bus()
    monkeypatch.setattr(events, "client", lambda _: bus)
    with pytest.raises(InvalidEvent):
        publish(complete("a"), Event(KIND, {}, correlation_id="c"), source="order")
    assert bus.calls == []


def test_an_event_without_schema_is_refused():
    with pytest.raises(KeyError):
        publish(Event(("NO", "SUCH", "EVENT"), {}, correlation_id="c"), source="order")


def test_parse_is_the_inverse_of_detail():
    event = complete("T1")
    assert parse(event.detail()) == event


def test_a_derived_id_depends_on_every_part_and_its_place():
    assert derived_id("a", "b") == derived_id("a", "b")
    assert len({derived_id("a", "b"), derived_id("ab"), derived_id("b", "a"), derived_id("a", "b", "")}) == 4


def test_offer_returns_the_refused_events_and_sends_the_others(monkeypatch):
    bus = Bus({1}, {0}, {0}, set())
    monkeypatch.setattr(events, "client", lambda _: bus)
    refused = events.try_publish(*(complete(str(n)) for n in range(12)), source="order")
    assert [event.data["order_number"] for event in refused] == ["1"]
    assert [len(call) for call in bus.calls] == [10, 1, 1, 2]
