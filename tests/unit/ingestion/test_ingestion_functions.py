"""The functions against AWS as moto has it: what is stored, what happens twice, and what breaks in between."""

import gzip
import json
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from ingestion import repository
from setpieces import aws
from tests.faults import refused
from tests.lambda_events import CONTEXT
from tests.unit.ingestion.samples import line
from tests.unit.tables import mocked_table

KEY = "events/2026/01/01/00/object.gz"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch):
    """The table of counts, the bucket, and ``invoked``, what the processing functions were sent."""
    monkeypatch.setenv("COUNTS_TABLE_NAME", "counts")
    monkeypatch.setenv("PROCESSORS", "roll-up,partition-events")
    state: Any = SimpleNamespace(invoked=[])
    with mocked_table(monkeypatch, "counts", "counter") as state.dynamodb:
        state.s3 = boto3.client("s3")
        state.s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        real: Any = aws.client

        def client(service: str) -> Any:
            if service != "lambda":
                return real(service)
            return SimpleNamespace(invoke=lambda **call: state.invoked.append(call))

        monkeypatch.setattr("ingestion.handlers.fan_out.client", client)
        yield state


def deliver(world: Any, content: bytes, key: str = KEY) -> dict[str, str]:
    etag = world.s3.put_object(Bucket="bucket", Key=key, Body=content)["ETag"].strip('"')
    return {"bucket": "bucket", "key": key, "etag": etag}


def objects(world: Any, prefix: str) -> dict[str, bytes]:
    found = world.s3.list_objects_v2(Bucket="bucket", Prefix=prefix).get("Contents", [])
    return {each["Key"]: world.s3.get_object(Bucket="bucket", Key=each["Key"])["Body"].read() for each in found}


def lines(*found: Any, between: str = "\n") -> bytes:
    return gzip.compress(between.join(json.dumps(each) for each in found).encode(), mtime=0)


def fan_out(delivered: dict[str, str]) -> dict[str, int]:
    from ingestion.handlers.fan_out import handler

    told = {"key": delivered["key"], "etag": delivered["etag"], "size": 1, "sequencer": "1"}
    return handler({"detail": {"bucket": {"name": delivered["bucket"]}, "object": told}}, CONTEXT)


def roll_up(delivered: dict[str, str]) -> int:
    from ingestion.handlers.roll_up import handler

    return handler(delivered, CONTEXT)["counted"]


def partition(delivered: dict[str, str]) -> int:
    from ingestion.handlers.partition_events import handler

    return handler(delivered, CONTEXT)["files"]


def counts(world: Any) -> dict[str, int]:
    items = world.dynamodb.scan(TableName="counts")["Items"]
    return {item["counter"]["S"]: int(item["events"]["N"]) for item in items if "events" in item}


# --- fan-out ---


def test_each_processing_function_is_told_of_an_object(world):
    delivered = deliver(world, lines(line("a"), line("b"), between=""))
    assert fan_out(delivered) == {"events": 2, "corrupt": 0}
    assert [call["FunctionName"] for call in world.invoked] == ["roll-up", "partition-events"]
    assert all(call["InvocationType"] == "Event" for call in world.invoked)
    assert [json.loads(call["Payload"]) for call in world.invoked] == [delivered, delivered]


def test_what_is_no_event_is_put_aside_and_the_rest_goes_on(world):
    content = b"\n".join([json.dumps(line()).encode(), b"{broken", b"[1]"])
    assert fan_out(deliver(world, content)) == {"events": 1, "corrupt": 2}
    [(key, kept)] = objects(world, "errors/").items()
    assert key.startswith(f"errors/corrupt/{KEY}.")
    assert [(each["line"], each["reason"], each["text"]) for each in map(json.loads, kept.splitlines())] == [
        (2, "INVALID_JSON", "{broken"),
        (3, "NO_ENVELOPE", "[1]"),
    ]
    fan_out(deliver(world, content))
    assert len(objects(world, "errors/")) == 1
    assert len(world.invoked) == 4


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", gzip.compress(b"", mtime=0), b"\x1f\x8bbroken"],
    # Named: gzip carries the time, and the workers of pytest-xdist must agree on the tests' names.
    ids=["empty", "blank lines", "gzip of nothing", "broken gzip"],
)
def test_nobody_is_told_of_an_object_without_events(world, content):
    assert fan_out(deliver(world, content))["events"] == 0
    assert world.invoked == []


@pytest.mark.parametrize("function", [fan_out, roll_up, partition])
def test_an_object_that_cannot_be_read_is_a_fault(world, function):
    with pytest.raises(ClientError):
        function({"bucket": "bucket", "key": "events/gone", "etag": "0"})


def test_a_processing_function_that_cannot_be_told_is_told_again(world, monkeypatch):
    delivered = deliver(world, lines(line()))

    def refuse(**call: Any) -> None:
        raise ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke")

    with monkeypatch.context() as broken:
        broken.setattr(
            "ingestion.handlers.fan_out.client",
            lambda service: SimpleNamespace(invoke=refuse) if service == "lambda" else world.s3,
        )
        with pytest.raises(ClientError):
            fan_out(delivered)
    assert fan_out(delivered)["events"] == 1
    assert len(world.invoked) == 2


# --- roll-up ---


def test_events_are_counted_by_type_and_hour_of_reception(world):
    later = line("c") | {"received_at": 1767225600000 + 3_600_000}
    delivered = deliver(world, lines(line("a"), line("b"), line("d", type="basket.filled"), later))
    assert roll_up(delivered) == 4
    assert counts(world) == {
        "page.viewed#2026-01-01T00": 2,
        "basket.filled#2026-01-01T00": 1,
        "page.viewed#2026-01-01T01": 1,
    }


def test_an_object_is_counted_once_however_often_it_is_told_of(world):
    delivered = deliver(world, lines(line("a")))
    assert [roll_up(delivered) for _ in range(3)] == [1, 0, 0]
    assert roll_up(deliver(world, lines(line("a")), "events/other")) == 1
    assert counts(world) == {"page.viewed#2026-01-01T00": 2}


def test_a_crash_between_two_transactions_of_many_types_counts_none_twice(world, monkeypatch):
    delivered = deliver(world, lines(*(line(f"e{number}", type=f"type{number:03}") for number in range(250))))
    add = repository._add
    calls: list[tuple[Any, ...]] = []

    def dies(*arguments: Any) -> int:
        if len(calls) == 2:
            raise TimeoutError
        calls.append(arguments)
        return add(*arguments)

    with monkeypatch.context() as broken:
        broken.setattr(repository, "_add", dies)
        with pytest.raises(TimeoutError):
            roll_up(delivered)
    assert roll_up(delivered) == 250 - 2 * repository.COUNTERS
    assert sorted(counts(world).values()) == [1] * 250


@pytest.mark.parametrize(("conflicts", "counted"), [(3, 1), (99, None)])
def test_objects_that_write_the_same_counters_at_once_wait_for_each_other(world, monkeypatch, conflicts, counted):
    real, left = world.dynamodb.transact_write_items, [conflicts]
    waits: list[float] = []
    monkeypatch.setattr("setpieces.dynamodb.time.sleep", waits.append)

    def transact(**call: Any) -> Any:
        if left[0]:
            left[0] -= 1
            reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}]
            raise refused("TransactWriteItems", "TransactionCanceledException", CancellationReasons=reasons)
        return real(**call)

    monkeypatch.setattr(world.dynamodb, "transact_write_items", transact)
    delivered = deliver(world, lines(line("a")))
    if counted is None:
        with pytest.raises(ClientError):
            roll_up(delivered)
        assert len(waits) == repository.ATTEMPTS - 1
    else:
        assert (roll_up(delivered), len(waits)) == (counted, conflicts)


def test_another_fault_than_a_repeat_is_raised(world, monkeypatch):
    monkeypatch.setenv("COUNTS_TABLE_NAME", "no-such-table")
    with pytest.raises(ClientError):
        roll_up(deliver(world, lines(line("a"))))


# --- partition ---


def test_events_are_kept_flat_by_type_date_and_hour(world):
    delivered = deliver(world, lines(line("a", data={"path": "/"}), line("b", type="basket.filled"), b"x".hex()))
    assert partition(delivered) == 2
    written = objects(world, "analytics/")
    assert sorted(key.rsplit("/", 1)[0] for key in written) == [
        "analytics/type=basket.filled/date=2026-01-01/hour=00",
        "analytics/type=page.viewed/date=2026-01-01/hour=00",
    ]
    [viewed] = [content for key, content in written.items() if "page.viewed" in key]
    assert json.loads(gzip.decompress(viewed)) == {
        "received_at": 1767225600000,
        "request_id": "r",
        "event_id": "a",
        "type": "page.viewed",
        "occurred_at": "2026-01-01T00:00:00Z",
        "data": {"path": "/"},
    }


def test_a_repeat_writes_the_same_files(world):
    delivered = deliver(world, lines(line("a"), line("b", type="basket.filled")))
    partition(delivered)
    before = objects(world, "analytics/")
    partition(delivered)
    assert objects(world, "analytics/") == before
