"""Lines of event objects, and the validation of the stream's records."""

import base64
import gzip
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.domain.lines import InvalidLine, invalid_reason, read_lines, received_hour
from ingestion.domain.records import MAX_RESPONSE_BYTES, validate_records
from tests.unit.ingestion.ingestion import event_line

TEXT = st.text(st.characters(codec="utf-8"))
LINES = st.lists(
    st.builds(
        lambda number, data: event_line(f"e{number}", data={"text": data}),
        st.integers(0, 10**6),
        TEXT,
    )
)


@given(LINES, st.sampled_from(["\n", "", " ", "\n\n", "\r\n"]), st.booleans())
def test_events_are_read_with_any_separator(lines, separator, zipped):
    content = separator.join(json.dumps(line) for line in lines).encode()
    assert list(read_lines(gzip.compress(content) if zipped else content)) == lines


@given(st.binary())
def test_any_content_is_read(content):
    assert all(isinstance(each, InvalidLine) for each in read_lines(content))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{", "INVALID_JSON"),
        (b"[" * 100_000, "INVALID_JSON"),
        (b'{"received_at": 1' + b"0" * 5000 + b"}", "INVALID_JSON"),
        (b"\xff\xfe", "INVALID_UTF8"),
        (b"[]", "NO_ENVELOPE"),
        (b"null", "NO_ENVELOPE"),
        (json.dumps(event_line()["event"]).encode(), "NO_ENVELOPE"),
        (json.dumps(event_line() | {"received_at": True}).encode(), "NO_ENVELOPE"),
        (json.dumps(event_line() | {"received_at": -1}).encode(), "NO_ENVELOPE"),
        (json.dumps(event_line() | {"received_at": 10**15}).encode(), "NO_ENVELOPE"),
        (json.dumps(event_line() | {"event": "text"}).encode(), "NO_EVENT"),
        (json.dumps(event_line(data=[])).encode(), "NO_EVENT"),
        (json.dumps(event_line(type="../../secrets")).encode(), "NO_EVENT"),
        (json.dumps(event_line(type="x" * 65)).encode(), "NO_EVENT"),
        (json.dumps(event_line(type="a\n")).encode(), "NO_EVENT"),
    ],
)
def test_an_invalid_line_has_its_number_and_the_other_lines_are_read(bad, reason):
    good = json.dumps(event_line()).encode()
    first, invalid, last = read_lines(good + b"\n" + bad + b"\n" + good)
    assert (first, last) == (event_line(), event_line())
    assert isinstance(invalid, InvalidLine)
    assert (invalid.line, invalid.reason) == (2, reason)
    assert len(invalid.text) <= 200


def test_a_truncated_gzip_file_is_invalid():
    [invalid] = read_lines(gzip.compress(json.dumps(event_line()).encode())[:-10])
    assert isinstance(invalid, InvalidLine)
    assert invalid.reason == "INVALID_GZIP"


@pytest.mark.parametrize(
    ("received_at", "expected"),
    [(0, "1970-01-01T00"), (1767225599999, "2025-12-31T23"), (253402300799999, "9999-12-31T23")],
)
def test_the_hour_of_reception_is_in_utc(received_at, expected):
    line: Any = event_line() | {"received_at": received_at}
    assert invalid_reason(line) == ""
    assert received_hour(line) == expected


def test_an_object_is_read_line_by_line():
    """The parsed lines of an object take ten times its size, more than the memory of a function."""
    content = b"".join(
        json.dumps(event_line(f"e{number}", data={"text": "x" * 400})).encode() + b"\n" for number in range(5_000)
    )
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_lines(content)) == 5_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(content) / 2


# --- records: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html ---


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def results(*data: str) -> list[tuple[str, str]]:
    records = validate_records([{"recordId": str(number), "data": each} for number, each in enumerate(data)])
    assert [record["recordId"] for record in records] == [str(number) for number in range(len(data))]
    return [(record["result"], record["data"]) for record in records]


def test_an_event_is_unchanged_and_gets_a_line_end():
    with_end, without = encoded(json.dumps(event_line("a")) + "\n"), encoded(json.dumps(event_line("b")))
    assert results(with_end, without) == [("Ok", with_end), ("Ok", encoded(json.dumps(event_line("b")) + "\n"))]


@pytest.mark.parametrize(
    "data", ["!", encoded(b"\xff"), encoded("{"), encoded("[" * 100_000), encoded('{"event": {}}')]
)
def test_a_record_that_is_not_an_event_fails_and_the_others_do_not(data):
    good = encoded(json.dumps(event_line()) + "\n")
    assert results(data, good) == [("ProcessingFailed", data), ("Ok", good)]


def test_a_repeated_event_of_a_batch_is_dropped():
    first, again = (
        encoded(json.dumps(event_line("a") | {"request_id": request_id}) + "\n") for request_id in ("r1", "r2")
    )
    assert [result for result, _ in results(first, again)] == ["Ok", "Dropped"]


def test_the_response_stays_below_the_limit_of_lambda():
    big = [encoded(json.dumps(event_line(f"e{number}", data={"text": "x" * 900_000})) + "\n") for number in range(6)]
    validated = results(*big)
    assert [result for result, _ in validated] == ["Ok"] * 4 + ["ProcessingFailed"] * 2
    assert sum(len(data) for result, data in validated if result == "Ok") <= MAX_RESPONSE_BYTES
