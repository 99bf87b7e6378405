"""Reading feeds of all forms, intact and damaged, record by record."""

import gzip
import io
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feeds.domain.reader import MAX_RECORD_BYTES, read_records
from feeds.domain.rejections import Rejection, UnreadableFeed

A, B = {"sku": "A", "version": 1}, {"sku": "B", "version": 2}
SIMPLE = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=30)
RECORD = st.dictionaries(
    st.text(max_size=8).filter(lambda name: name != "items"), SIMPLE | st.lists(SIMPLE, max_size=3), max_size=5
)


class SlowStream(io.BytesIO):
    """Returns few bytes at a time, as a network does."""

    def readinto(self, buffer):
        view = memoryview(buffer)[: random.randrange(1, 50)]
        return super().readinto(view)


def read(content: bytes):
    """(records and the reasons of rejections, why the rest is unreadable or None)."""
    result = []
    try:
        for record in read_records(io.BytesIO(content)):
            result.append(record.reason if isinstance(record, Rejection) else dict(record))
    except UnreadableFeed as error:
        return result, error.reason
    return result, None


def array(*records) -> bytes:
    return json.dumps(records).encode()


def lines(*records) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def packed(content: bytes) -> bytes:
    """Without the time of day: the parameters of a test are the same in every worker."""
    return gzip.compress(content, mtime=0)


def deep(depth: int) -> bytes:
    return b'[{"a":' + b"[" * depth + b"]" * depth + b"}]"


@pytest.mark.parametrize(
    "content",
    [
        array(A, B),
        json.dumps([A, B], indent=2).encode(),
        lines(A, B),
        lines(A, B).rstrip(),
        b"\n\n" + lines(A) + b"\r\n \n" + lines(B),
        b"\xef\xbb\xbf" + array(A, B),
        b"\xef\xbb\xbf" + lines(A, B),
        json.dumps({"items": [A, B]}).encode(),
        json.dumps({"source": {"items": [1]}, "items": [A, B], "more": 1}, indent=1).encode(),
        packed(array(A, B)),
        packed(lines(A)) + packed(lines(B)),
    ],
)
def test_every_form_is_read_as_the_same_records(content):
    assert read(content) == ([A, B], None)


@pytest.mark.parametrize(
    ("content", "expected", "reason"),
    [
        (b"", [], "EMPTY"),
        (b" \r\n\n", [], "EMPTY"),
        (b"\xef\xbb\xbf", [], "EMPTY"),
        (packed(b""), [], "EMPTY"),
        (b"[]", [], None),
        (b'{"items": []}', [], None),
        (b'{\n"items": []\n}', [], None),
        (b"null", [], "INVALID_JSON"),
        (b"sku;version\nA;1\n", [], "INVALID_JSON"),
        (b"\xff\xfe[\x00]\x00", [], "INVALID_UTF8"),
        (b'{\n"lines": []\n}', [], "NO_ITEMS"),
        (b"{\n}", [], "NO_ITEMS"),
        (b'{\n"items": {}\n}', [], "INVALID_JSON"),
        (array(A, B)[:-1], [A, B], "INVALID_JSON"),
        (array(A, B)[:-5], [A], "INVALID_JSON"),
        (array(A, B)[:-1] + b",]", [A, B], "INVALID_JSON"),
        (array(A, B) + b"]", [A, B], "INVALID_JSON"),
        (array(A)[:-1] + b" " + array(B)[1:], [A], "INVALID_JSON"),
        (array(A)[:-1] + b', {"sku": "\xff"}]', [A], "INVALID_UTF8"),
        (array(A, 1, "x", None, [A], B), [A, *["NOT_AN_OBJECT"] * 4, B], None),
        (b'[{"sku": "A", "sku": "B"}, {"sku": "B", "version": 2}]', ["DUPLICATE_NAME", B], None),
        (
            lines(A) + b'{"sku": \n[1]\n{"sku": "\xff"}\n' + lines(B),
            [A, "INVALID_JSON", "NOT_AN_OBJECT", "INVALID_UTF8", B],
            None,
        ),
        (b'{"sku": 1,,}\n' + lines(B), ["INVALID_JSON", B], None),
        (lines(A)[:-2] + b"\n" + lines(B, A), ["INVALID_JSON", B, A], None),
        (packed(b'{"sku": "A\n' + lines(B)), ["INVALID_JSON", B], None),
        (b"sku\n" + lines(B), ["INVALID_JSON", B], None),
        (b'{"sku": "A",\n' + lines(B), [], "INVALID_JSON"),
        (array(A)[:-1] + b"\n" + lines(B), [A], "INVALID_JSON"),
        (b'{"items": [\n' + lines(A) + b"]}", [A], None),
        (b'{"of": 1,\n"items":\n[' + lines(A) + b"]}", [A], None),
        (lines(A, {"sku": "x" * MAX_RECORD_BYTES}, B), [A, "RECORD_TOO_LARGE", B], None),
        (array(A, {"sku": "x" * MAX_RECORD_BYTES}), [A], "RECORD_TOO_LARGE"),
        (b"[" + b" " * 2_000_000 + b"]", [], "RECORD_TOO_LARGE"),
        (packed(b"[" + b" " * 50_000_000), [], "RECORD_TOO_LARGE"),
        (deep(100_000), [], "INVALID_JSON"),
        (deep(90_000), [], "INVALID_JSON"),
        (b'[{"a":' + b"9" * 5000 + b"}]", [], "INVALID_JSON"),
        (lines(A) + b'{"a":' + b"9" * 5000 + b"}\n" + lines(B), [A, "INVALID_JSON", B], None),
        (packed(lines(A) * 5000)[:-20], None, "INVALID_GZIP"),
        (b"\x1f\x8b" + b"no gzip at all", [], "INVALID_GZIP"),
    ],
)
def test_invalid_records_are_rejected_and_damaged_feeds_are_read_up_to_the_damage(content, expected, reason):
    records, unreadable = read(content)
    assert unreadable == reason
    assert expected is None or records == expected


@given(
    st.lists(RECORD, min_size=1, max_size=30),
    st.sampled_from([array, lines, lambda *records: json.dumps({"items": records}).encode()]),
    st.booleans(),
)
def test_written_records_are_read(records, form, compressed):
    content = form(*records)
    stream = SlowStream(packed(content) if compressed else content)
    assert list(read_records(stream)) == records


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lines(A) + b"\0" * 400_000, id="a line without an end"),
        pytest.param(packed(lines(A) + b"\0" * 400_000), id="a line without an end, packed"),
        pytest.param(packed(lines(A) + b"\n" * 400_000), id="blank lines"),
        pytest.param(packed(b" \n" * 200_000), id="blank lines before the first record"),
        pytest.param(b"{" + b'"a": 1,\n' * 50_000, id="members before items"),
        pytest.param(packed(lines(A)) + packed(b"") * 20_000, id="gzip of nothing"),
    ],
)
def test_reading_ends_after_too_many_bytes_without_a_record(content, monkeypatch):
    """The clock is only checked at records, and a gigabyte of gzip may hold a terabyte of zeros."""
    monkeypatch.setattr("feeds.domain.reader.MAX_BYTES_BETWEEN_RECORDS", 300_000)
    with pytest.raises(UnreadableFeed, match="RECORD_TOO_LARGE: no record within 300000 bytes"):
        list(read_records(io.BytesIO(content)))


def test_the_bytes_between_records_are_limited_and_not_the_feed(monkeypatch):
    monkeypatch.setattr("feeds.domain.reader.MAX_BYTES_BETWEEN_RECORDS", 300_000)
    content = (lines(A) + b"\n" * 100_000) * 20
    assert read(content) == read(packed(content)) == ([A] * 20, None)


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:0ae\\u\n ', max_size=80).map(str.encode))
def test_garbage_raises_no_other_error(content):
    read(content)
