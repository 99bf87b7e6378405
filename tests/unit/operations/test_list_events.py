"""Administrators list the latest events of the bus, read from its log."""

import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from model.settings import ROOT
from operations import repository
from operations.repository import MAX_EVENTS, list_events, parse_log_line
from tests.service import Service

DETAIL = json.loads((ROOT / "events" / "bus" / "checkout.order.submit.json").read_text())


class Log:
    """The operations service as deployed, and the log that its template gives it."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._stream = {
            "logGroupName": service.environment("list_events")["LOG_GROUP_NAME"],
            "logStreamName": "stream",
        }
        logs = boto3.client("logs")
        logs.create_log_group(logGroupName=self._stream["logGroupName"])
        logs.create_log_stream(**self._stream)

    def write(self, *lines: str, minutes_ago: int = 0) -> None:
        timestamp = int((time.time() - 60 * minutes_ago) * 1000)
        entries = [{"timestamp": timestamp, "message": line} for line in lines]
        boto3.client("logs").put_log_events(**self._stream, logEvents=entries)


@pytest.fixture
def log(service: Callable[..., Service]) -> Log:
    return Log(service("operations"))


def log_line(number: int, correlation_id: str = "c-1", **data: Any) -> str:
    """An event as EventBridge logs it; events with higher numbers are newer."""
    meta_data = DETAIL["event"]["meta_data"] | {
        "event_id": f"e-{number:04}",
        "correlation_id": correlation_id,
        "occurred_at": f"2026-01-01T12:{number // 60:02}:{number % 60:02}.000+00:00",
    }
    event = {"meta_data": meta_data, "data": DETAIL["event"]["data"] | data}
    return json.dumps({"source": "service-order-submit-local", "detail": {"event": event}})


def event_ids(correlation_id: str = "") -> list[str]:
    return [event["event_id"] for event in list_events(correlation_id)]


def test_events_are_listed_newest_first(log: Log):
    log.write(*(log_line(number) for number in range(3)))
    status, headers, body = log.service.call("list_events")
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert [event["event_id"] for event in body["events"]] == ["e-0002", "e-0001", "e-0000"]
    assert body["events"][0] == {
        "event_id": "e-0002",
        "event": "CHECKOUT/ORDER/SUBMIT",
        "source": "service-order-submit-local",
        "correlation_id": "c-1",
        "occurred_at": "2026-01-01T12:00:02.000+00:00",
        "data": DETAIL["event"]["data"],
    }


def test_older_events_are_read_only_if_there_are_few_new_ones(log: Log):
    log.write(log_line(1), minutes_ago=600)
    log.write(log_line(2), minutes_ago=5)
    assert event_ids() == ["e-0002", "e-0001"]
    log.write(*(log_line(number) for number in range(100, 100 + MAX_EVENTS)))
    assert event_ids() == [f"e-{number:04}" for number in reversed(range(100, 100 + MAX_EVENTS))]


def test_a_replayed_event_is_listed_once(log: Log):
    log.write(log_line(1), log_line(1))
    assert event_ids() == ["e-0001"]


def test_events_of_one_checkout_are_listed(log: Log):
    log.write(log_line(1, "mine"), log_line(2, "other"), log_line(3, "other", note="mine"))
    assert event_ids("mine") == ["e-0001"]
    assert event_ids("unknown") == []


@pytest.mark.parametrize("text", ["", "no json", "[]", "null", "{}", '{"detail": {"event": {"meta_data": 1}}}', '"x"'])
def test_a_line_without_the_shops_envelope_is_left_out(log: Log, text: str):
    assert parse_log_line(text) is None
    log.write(log_line(1), *([text] if text else []))
    assert event_ids() == ["e-0001"]


@pytest.mark.parametrize("correlation_id", ['"', "a b", "x" * 129, "{ $.a = 1 }", "ä"])
def test_an_invalid_correlation_id_is_400(log: Log, correlation_id: str):
    response = log.service.call("list_events", query={"correlation_id": correlation_id})
    assert (response.status, response.body["errors"][0]["pointer"]) == (400, "/correlation_id")


def test_a_limited_number_of_lines_is_read(log: Log, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(repository, "MAX_LINES_PER_WINDOW", 2)
    monkeypatch.setattr(repository, "WINDOWS_MINUTES", (1,))
    log.write(*(log_line(number) for number in range(10)))
    assert len(event_ids()) == 2
