"""What is an event in a delivered object, and what the stream is answered."""

import base64
import gzip
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.domain.lines import Corrupt, events, fault, hour
from ingestion.domain.transform import MAX_ANSWER_BYTES, transform
from tests.unit.ingestion.samples import line

TEXT = st.text(st.characters(codec="utf-8"))
LINES = st.lists(
    st.builds(
        lambda number, data: line(f"e{number}", data={"text": data}),
        st.integers(0, 10**6),
        TEXT,
    )
)


@given(LINES, st.sampled_from(["\n", "", " ", "\n\n", "\r\n"]), st.booleans())
def test_events_are_read_however_they_are_separated(lines, between, zipped):
    content = between.join(json.dumps(each) for each in lines).encode()
    assert list(events(gzip.compress(content) if zipped else content)) == lines


@given(st.binary())
def test_no_content_stops_the_reader(content):
    assert all(isinstance(each, Corrupt) for each in events(content))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{", "INVALID_JSON"),
        (b"[" * 100_000, "INVALID_JSON"),
        (b'{"received_at": 1' + b"0" * 5000 + b"}", "INVALID_JSON"),
        (b"\xff\xfe", "INVALID_UTF8"),
        (b"[]", "NO_ENVELOPE"),
        (b"null", "NO_ENVELOPE"),
        (json.dumps(line()["event"]).encode(), "NO_ENVELOPE"),
        (json.dumps(line() | {"received_at": True}).encode(), "NO_ENVELOPE"),
        (json.dumps(line() | {"received_at": -1}).encode(), "NO_ENVELOPE"),
        (json.dumps(line() | {"received_at": 10**15}).encode(), "NO_ENVELOPE"),
        (json.dumps(line() | {"event": "text"}).encode(), "NO_EVENT"),
        (json.dumps(line(data=[])).encode(), "NO_EVENT"),
        (json.dumps(line(type="../../secrets")).encode(), "NO_EVENT"),
        (json.dumps(line(type="x" * 65)).encode(), "NO_EVENT"),
        (json.dumps(line(type="a\n")).encode(), "NO_EVENT"),
    ],
)
def test_what_is_no_event_is_told_with_its_line_and_the_others_are_read(bad, reason):
    good = json.dumps(line()).encode()
    first, corrupt, last = events(good + b"\n" + bad + b"\n" + good)
    assert (first, last) == (line(), line())
    assert isinstance(corrupt, Corrupt)
    assert (corrupt.line, corrupt.reason) == (2, reason)
    assert len(corrupt.text) <= 200


def test_half_a_gzip_file_is_corrupt_and_no_crash():
    [corrupt] = events(gzip.compress(json.dumps(line()).encode())[:-10])
    assert isinstance(corrupt, Corrupt)
    assert corrupt.reason == "INVALID_GZIP"


@pytest.mark.parametrize(
    ("received_at", "expected"),
    [(0, "1970-01-01T00"), (1767225599999, "2025-12-31T23"), (253402300799999, "9999-12-31T23")],
)
def test_the_hour_is_the_one_of_reception_in_utc(received_at, expected):
    assert fault(line() | {"received_at": received_at}) == ""
    assert hour(line() | {"received_at": received_at}) == expected


def test_an_object_is_read_line_by_line():
    """A whole object as parsed lines takes ten times its size, more than a function has."""
    content = b"".join(
        json.dumps(line(f"e{number}", data={"text": "x" * 400})).encode() + b"\n" for number in range(5_000)
    )
    tracemalloc.start()
    try:
        assert sum(1 for _ in events(content)) == 5_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(content) / 2


# --- transform: https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html ---


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def results(*data: str) -> list[tuple[str, str]]:
    answered = transform([{"recordId": str(number), "data": each} for number, each in enumerate(data)])
    assert [each["recordId"] for each in answered] == [str(number) for number in range(len(data))]
    return [(each["result"], each["data"]) for each in answered]


def test_an_event_is_passed_on_as_it_is_and_ends_its_line():
    with_end, without = encoded(json.dumps(line("a")) + "\n"), encoded(json.dumps(line("b")))
    assert results(with_end, without) == [("Ok", with_end), ("Ok", encoded(json.dumps(line("b")) + "\n"))]


@pytest.mark.parametrize(
    "data", ["!", encoded(b"\xff"), encoded("{"), encoded("[" * 100_000), encoded('{"event": {}}')]
)
def test_what_is_no_event_fails_with_its_data_and_harms_no_other(data):
    good = encoded(json.dumps(line()) + "\n")
    assert results(data, good) == [("ProcessingFailed", data), ("Ok", good)]


def test_an_event_that_was_sent_again_is_dropped():
    first, again = (encoded(json.dumps(line("a") | {"request_id": sent}) + "\n") for sent in ("r1", "r2"))
    assert [result for result, _ in results(first, again)] == ["Ok", "Dropped"]


def test_an_answer_is_never_too_large_for_lambda():
    big = [encoded(json.dumps(line(f"e{number}", data={"text": "x" * 900_000})) + "\n") for number in range(6)]
    answered = results(*big)
    assert [result for result, _ in answered] == ["Ok"] * 4 + ["ProcessingFailed"] * 2
    assert sum(len(data) for result, data in answered if result == "Ok") <= MAX_ANSWER_BYTES
