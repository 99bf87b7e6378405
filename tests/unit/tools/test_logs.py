"""``make logs``: no event is lost or printed twice, and a line says what an event says."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from click import BadParameter

from tests.unit.tools.log_events import MS, NOW, Events, event, text
from tools.logs import PAGE, Log, Since, is_printed, read_events


def test_an_event_of_the_same_millisecond_is_not_lost():
    api = Events(event(MS, "a"), event(MS, "b"))
    log = Log(api, "group")
    assert [one["message"] for one in log.since(NOW)] == ["a", "b"]
    api.events.append(event(MS, "c"))
    assert [one["message"] for one in log.new()] == ["c"]
    assert log.new() == []


def test_equal_events_are_each_printed():
    api = Events(event(MS, "a"))
    log = Log(api, "group")
    log.since(NOW)
    api.events.append(event(MS, "a"))
    assert [one["message"] for one in log.new()] == ["a"]
    assert log.new() == []


def test_an_event_that_arrives_late_is_printed():
    api = Events(event(MS, "new"))
    log = Log(api, "group")
    log.since(NOW - timedelta(minutes=1))
    api.events.append(event(MS - 5000, "late"))
    assert [one["message"] for one in log.new()] == ["late"]


def test_events_beyond_the_first_page_are_read():
    recent = int(datetime.now(UTC).timestamp() * 1000) - 60_000
    messages = [str(number) for number in range(2 * PAGE + 7)]
    # Three events a millisecond, so that answers end amid one.
    api = Events(*(event(recent + number // 3, message) for number, message in enumerate(messages)))
    assert [one["message"] for one in Log(api, "group").last(2 * PAGE + 7)] == messages
    assert [one["message"] for one in Log(api, "group").last(2)] == messages[-2:]


def test_events_beyond_the_first_page_are_filtered_by_text():
    api = Events(*(event(MS + number, f"{'c-1' if number % 2 else 'C-1'} {number}") for number in range(2 * PAGE + 7)))
    assert [one["timestamp"] for one in read_events(api, "group", MS, "c-1")] == list(
        range(MS + 1, MS + 2 * PAGE + 7, 2)
    )


def test_starts_and_ends_do_not_count_as_last_events():
    recent = int(datetime.now(UTC).timestamp() * 1000) - 60_000
    messages = ("START RequestId: 1", "first", "END RequestId: 1", "second", "END RequestId: 2")
    log = Log(Events(*(event(recent, message) for message in messages)), "group")
    assert [one["message"] for one in log.last(2, is_printed)] == ["first", "second"]


def test_the_last_events_are_found_however_old_they_are():
    month_ago = int((datetime.now(UTC) - timedelta(days=30)).timestamp() * 1000)
    assert len(Log(Events(event(month_ago, "old")), "group").last(50)) == 1
    assert Log(Events(event(month_ago, "old")), "group").last(0) == []


def test_a_structured_event_is_one_line_with_its_fields_and_its_traceback():
    record = {
        "timestamp": "2026-01-02 04:04:05,678+01:00",
        "level": "ERROR",
        "message": "charge failed",
        "order_number": "T100000001",
        "correlation_id": "c-1",
        "exception_name": "ValueError",
        "exception": "Traceback (most recent call last):\n  File x\nValueError: no",
        "service": "payments",
        "function_name": "left out",
    }
    first, *trace = text(json.dumps(record))
    assert first.startswith("03:04:05.678  ERROR    charge failed")
    assert all(part in first for part in ("order_number=T100000001", "correlation_id=c-1", "exception_name=ValueError"))
    assert "left out" not in first
    assert [line.strip() for line in trace] == ["Traceback (most recent call last):", "File x", "ValueError: no"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("START RequestId: 1 Version: $LATEST", []),
        ("END RequestId: 1", []),
        (
            "REPORT RequestId: 1\tDuration: 12 ms\tBilled Duration: 12 ms\tMemory Size: 256 MB\tMax Memory Used: 61 MB",
            ["03:04:05.678           ended after 12 ms, used 61 MB"],
        ),
        ("plain words", ["03:04:05.678           plain words"]),
        ('"only text"', ['03:04:05.678           "only text"']),
        (
            "2026-01-02T03:04:05.678Z 1-2 Task timed out after 3.00 seconds",
            ["03:04:05.678  ERROR    Task timed out after 3.00 seconds"],
        ),
        (
            "RequestId: 1-2 Error: Runtime exited with error: exit status 1\nRuntime.ExitError",
            ["03:04:05.678  ERROR    Runtime exited with error: exit status 1", f"{'':23}Runtime.ExitError"],
        ),
        (
            "[ERROR] Runtime.ImportModuleError: Unable to import module 'app': No module named 'x'\n"
            "Traceback (most recent call last):",
            ["03:04:05.678  ERROR    Runtime.ImportModuleError: Unable to import module 'app': No module named 'x'"],
        ),
        (
            "[ERROR] KeyError: 'TABLE'\nTraceback (most recent call last):\n\u00a0\u00a0File x",
            [
                "03:04:05.678  ERROR    KeyError: 'TABLE'",
                f"{'':23}Traceback (most recent call last):",
                f"{'':23}\u00a0\u00a0File x",
            ],
        ),
        (
            json.dumps({"_aws": {"CloudWatchMetrics": [{"Metrics": [{"Name": "Orders"}]}]}, "Orders": [1]}),
            ["03:04:05.678           metrics Orders=[1]"],
        ),
    ],
)
def test_lines_of_lambda_are_printed_as_one_line_each(message: str, expected: list[str]):
    assert text(message) == expected


@pytest.mark.parametrize(
    ("value", "duration"),
    [("90s", timedelta(seconds=90)), ("10m", timedelta(minutes=10)), ("2h", timedelta(hours=2))],
)
def test_durations_are_parsed(value: str, duration: timedelta):
    assert Since().convert(value, None, None) == duration


@pytest.mark.parametrize("value", ["", "10", "m", "-1m", "1w", "1 m", "999999d"])
def test_an_invalid_duration_is_refused(value: str):
    with pytest.raises(BadParameter, match="for example 10m"):
        Since().convert(value, None, None)
