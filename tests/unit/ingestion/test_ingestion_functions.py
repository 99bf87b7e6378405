"""The functions behind the stream: stored objects and counts, repetitions and crashes."""

import gzip
import json
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from ingestion.repository import counts
from tests.faults import Crash, Faults, refused
from tests.unit.ingestion.ingestion import KEY, Ingestion, content_of, event_line

# --- fan-out ---


def test_each_processing_function_is_invoked_with_the_object(ingestion: Ingestion):
    event_object = ingestion.store(content_of(event_line("a"), event_line("b"), separator=""))
    assert ingestion.fan_out(event_object) == {"events": 2, "corrupt": 0}
    functions = ingestion.service.environment("fan_out")["PROCESSORS"].split(",")
    assert len(functions) == 2
    assert ingestion.invocations() == [(function, "Event", event_object) for function in functions]


def test_invalid_lines_are_stored_apart_and_the_events_are_processed(ingestion: Ingestion):
    content = b"\n".join([json.dumps(event_line()).encode(), b"{broken", b"[1]"])
    event_object = ingestion.store(content)
    assert ingestion.fan_out(event_object) == {"events": 1, "corrupt": 2}
    [(key, rows)] = ingestion.objects("errors/").items()
    assert key == f"errors/corrupt/{KEY}.{event_object['etag']}.ndjson"
    assert [json.loads(row) for row in rows.splitlines()] == [
        {"object": KEY, "line": 2, "reason": "INVALID_JSON", "text": "{broken"},
        {"object": KEY, "line": 3, "reason": "NO_ENVELOPE", "text": "[1]"},
    ]
    ingestion.fan_out(event_object)
    assert len(ingestion.objects("errors/")) == 1
    assert len(ingestion.invocations()) == 4


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", gzip.compress(b"", mtime=0), b"\x1f\x8bbroken"],
    # Named: gzip carries the time, and the workers of pytest-xdist must agree on the tests' names.
    ids=["empty", "blank lines", "gzip of nothing", "broken gzip"],
)
def test_an_object_without_events_invokes_no_function(ingestion: Ingestion, content: bytes):
    assert ingestion.fan_out(ingestion.store(content))["events"] == 0
    assert ingestion.invocations() == []


@pytest.mark.parametrize("function", [Ingestion.fan_out, Ingestion.roll_up, Ingestion.partition])
def test_an_unreadable_object_fails_the_invocation(ingestion: Ingestion, function: Callable[..., object]):
    with pytest.raises(ClientError):
        function(ingestion, {"bucket": ingestion.service.name("Bucket"), "key": "events/gone", "etag": "0"})


def test_a_failed_invocation_of_a_processing_function_is_repeated(ingestion: Ingestion):
    event_object = ingestion.store(content_of(event_line()))
    ingestion.invoke_error = refused("Invoke", "TooManyRequestsException", 429)
    with pytest.raises(ClientError, match="TooManyRequests"):
        ingestion.fan_out(event_object)
    ingestion.invoke_error = None
    assert ingestion.fan_out(event_object)["events"] == 1
    assert len(ingestion.invocations()) == 2


# --- roll-up ---


def test_events_are_counted_by_type_and_hour_of_reception(ingestion: Ingestion):
    later = event_line("c") | {"received_at": 1767225600000 + 3_600_000}
    content = content_of(event_line("a"), event_line("b"), event_line("d", type="basket.filled"), later)
    assert ingestion.roll_up(ingestion.store(content)) == 4
    assert ingestion.counts() == {
        "page.viewed#2026-01-01T00": 2,
        "basket.filled#2026-01-01T00": 1,
        "page.viewed#2026-01-01T01": 1,
    }


def test_an_object_is_counted_once(ingestion: Ingestion):
    event_object = ingestion.store(content_of(event_line("a")))
    assert [ingestion.roll_up(event_object) for _ in range(3)] == [1, 0, 0]
    assert ingestion.roll_up(ingestion.store(content_of(event_line("a")), "events/other")) == 1
    assert ingestion.counts() == {"page.viewed#2026-01-01T00": 2}


def test_an_object_with_many_types_is_counted_once_after_a_crash_between_transactions(
    ingestion: Ingestion, faults: Faults
):
    lines = [event_line(f"e{number}", type=f"type{number:03}") for number in range(250)]
    event_object = ingestion.store(content_of(*lines))
    faults.fail("TransactWriteItems", Crash(), skip=2, times=1)
    with pytest.raises(Crash):
        ingestion.roll_up(event_object)
    assert ingestion.roll_up(event_object) == 250 - 2 * counts.MAX_COUNTS
    assert sorted(ingestion.counts().values()) == [1] * 250


CONFLICT = refused(
    "TransactWriteItems",
    "TransactionCanceledException",
    CancellationReasons=[{"Code": "None"}, {"Code": "TransactionConflict"}],
)


def test_a_transaction_waits_for_another_object_with_the_same_counts(
    ingestion: Ingestion, faults: Faults, monkeypatch: pytest.MonkeyPatch
):
    waits: list[float] = []
    monkeypatch.setattr("setpieces.dynamodb.time.sleep", waits.append)
    faults.fail("TransactWriteItems", CONFLICT, times=3)
    assert ingestion.roll_up(ingestion.store(content_of(event_line("a")))) == 1
    assert len(waits) == 3


def test_a_transaction_that_conflicts_in_every_attempt_fails(
    ingestion: Ingestion, faults: Faults, monkeypatch: pytest.MonkeyPatch
):
    waits: list[float] = []
    monkeypatch.setattr("setpieces.dynamodb.time.sleep", waits.append)
    faults.fail("TransactWriteItems", CONFLICT)
    with pytest.raises(ClientError, match="TransactionCanceled"):
        ingestion.roll_up(ingestion.store(content_of(event_line("a"))))
    assert len(waits) == counts.ATTEMPTS - 1


def test_an_error_of_the_table_fails_the_invocation(ingestion: Ingestion):
    ingestion.service.variables["COUNTS_TABLE_NAME"] = "no-such-table"
    with pytest.raises(ClientError, match="ResourceNotFound"):
        ingestion.roll_up(ingestion.store(content_of(event_line("a"))))


# --- partition ---


def test_events_are_stored_flat_by_type_date_and_hour(ingestion: Ingestion):
    lines = [event_line("a", data={"path": "/"}), event_line("b", type="basket.filled"), "no event"]
    assert ingestion.partition(ingestion.store(content_of(*lines))) == 2
    files = ingestion.objects("analytics/")
    assert sorted(key.rsplit("/", 1)[0] for key in files) == [
        "analytics/type=basket.filled/date=2026-01-01/hour=00",
        "analytics/type=page.viewed/date=2026-01-01/hour=00",
    ]
    [page_views] = [content for key, content in files.items() if "page.viewed" in key]
    assert json.loads(gzip.decompress(page_views)) == {
        "received_at": 1767225600000,
        "request_id": "r",
        "event_id": "a",
        "type": "page.viewed",
        "occurred_at": "2026-01-01T00:00:00Z",
        "data": {"path": "/"},
    }


def test_a_repetition_writes_the_same_files(ingestion: Ingestion):
    event_object = ingestion.store(content_of(event_line("a"), event_line("b", type="basket.filled")))
    ingestion.partition(event_object)
    files = ingestion.objects("analytics/")
    ingestion.partition(event_object)
    assert ingestion.objects("analytics/") == files
