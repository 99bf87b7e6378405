"""Batches of DynamoDB that are throttled, in part and as a whole."""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from model.settings import ROOT
from setpieces import batches
from setpieces.batches import TableBusy, read_batches, write_batch

CODES = ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"]


def throttled(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "Batch")


class Table:
    """Answers as DynamoDB does: ``responses`` says how many of each call's requests are processed, or which error it is."""

    def __init__(self, *responses: int | str) -> None:
        self.responses = list(responses)
        self.done: list[Any] = []
        self.calls = 0

    def _take(self, requests: list[Any]) -> list[Any]:
        self.calls += 1
        response = self.responses.pop(0) if self.responses else len(requests)
        if isinstance(response, str):
            raise throttled(response)
        self.done += requests[:response]
        return requests[response:]

    def batch_write_item(self, RequestItems: Any) -> Any:
        unprocessed = self._take(RequestItems["t"])
        return {"UnprocessedItems": {"t": unprocessed} if unprocessed else {}}

    def batch_get_item(self, RequestItems: Any) -> Any:
        keys = RequestItems["t"]["Keys"]
        unprocessed = self._take(keys)
        return {
            "Responses": {"t": keys[: len(keys) - len(unprocessed)]},
            "UnprocessedKeys": {"t": {"Keys": unprocessed}} if unprocessed else {},
        }


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds: list[float] = []
    monkeypatch.setattr(batches.time, "sleep", seconds.append)
    return seconds


@pytest.mark.parametrize("code", CODES)
def test_a_write_that_is_throttled_as_a_whole_is_repeated(code: str, waits: list[float]):
    table = Table(code, 3, code)
    write_batch(table, "t", list(range(10)), time.monotonic() + 60)
    assert sorted(table.done) == list(range(10))
    assert table.calls == 4


@pytest.mark.parametrize("code", CODES)
def test_a_read_that_is_throttled_as_a_whole_is_repeated(code: str, waits: list[float]):
    table = Table(code, 30, code)
    items: list[Any] = list(read_batches(table, "t", list(range(150)), time.monotonic() + 60))
    assert sorted(items) == list(range(150))
    assert table.calls == 5


def test_waits_grow_and_differ(waits: list[float]):
    table = Table(*[0] * 12)
    list(read_batches(table, "t", [1], time.monotonic() + 60))
    assert len(waits) == 12, "each repetition waits, also for unprocessed keys"
    for number, wait in enumerate(waits):
        longest = min(batches.FIRST_WAIT_SECONDS * 2**number, batches.MAX_WAIT_SECONDS)
        assert longest / 2 <= wait <= longest
    write_batch(Table(*[0] * 12), "t", [1], time.monotonic() + 60)
    assert waits[:12] != waits[12:]


@pytest.mark.parametrize("code", CODES)
def test_a_table_that_stays_throttled_is_busy_and_says_why(code: str):
    with pytest.raises(TableBusy) as raised:
        write_batch(Table(*[code] * 99), "t", [1], time.monotonic() + 0.1)
    assert isinstance(raised.value.__cause__, ClientError)


def test_any_other_error_is_raised_at_once(waits: list[float]):
    table = Table("ValidationException")
    with pytest.raises(ClientError):
        write_batch(table, "t", [1], time.monotonic() + 60)
    assert (table.calls, waits) == (1, [])


def test_every_function_uses_these_for_batches():
    calling = {
        path.name
        for path in (ROOT / "functions").rglob("*.py")
        if any(f".{name}_item(" in path.read_text() for name in ("batch_write", "batch_get"))
    }
    assert calling == {"batches.py"}
