"""From an uploaded object to messages, an error file and a feed that is accounted for; over moto."""

import gzip
import importlib
import io
import json
import re
from types import SimpleNamespace
from typing import Any

import boto3
import feed_records
import pytest
from feed_queue import NotSent, Outbox, send
from feed_runs import begin, enter
from feed_source import PIECE, Replaced, Stream, Uploaded
from feed_transform import Feed, Stretch, feed_id, run_id, summary, transform, walk

from local import feed_samples
from local.settings import ROOT
from setpieces import aws
from tests.unit.tables import mocked_table

BUCKET, KEY = "feeds", "product/in/2026/01/01/f-1.json"
FEED = Feed("f-1", "product", "run-1", 2_000_000_000)
CONTEXT = SimpleNamespace(
    function_name="transform-feed",
    memory_limit_in_mb=1769,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:transform-feed",
    aws_request_id="1",
    get_remaining_time_in_millis=lambda: 900_000,
)


@pytest.fixture
def cloud(monkeypatch):
    monkeypatch.setattr(feed_records, "SCHEMAS", ROOT / "schemas" / "feeds")
    with mocked_table(monkeypatch, "table", "feed"):
        boto3.client("s3").create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        url = boto3.client("sqs").create_queue(QueueName="records")["QueueUrl"]
        settings = {"FEED_TYPE": "product", "BUCKET_NAME": BUCKET, "FEEDS_TABLE_NAME": "table", "QUEUE_URL": url}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield SimpleNamespace(s3=aws.client("s3"), sqs=aws.client("sqs"), table=aws.client("dynamodb"), url=url)


def uploaded(cloud, content: bytes, sequencer="1") -> Uploaded:
    etag = cloud.s3.put_object(Bucket=BUCKET, Key=KEY, Body=content)["ETag"].strip('"')
    return Uploaded(BUCKET, KEY, etag, len(content), sequencer)


def created(found: Uploaded) -> dict[str, Any]:
    described = {"key": found.key, "etag": found.etag, "size": found.size, "sequencer": found.sequencer}
    return {"detail": {"bucket": {"name": found.bucket}, "object": described}}


def queued(cloud) -> list[dict[str, Any]]:
    found = []
    while messages := cloud.sqs.receive_message(QueueUrl=cloud.url, MaxNumberOfMessages=10).get("Messages", []):
        found += [json.loads(message["Body"]) for message in messages]
    return sorted(found, key=lambda message: message["number"])


def item(cloud) -> dict[str, Any]:
    [found] = cloud.table.scan(TableName="table")["Items"]
    return found


def content(count: int, *bad: Any) -> bytes:
    return json.dumps([*feed_samples.records("product", count), *bad]).encode()


def test_an_object_is_read_in_pieces(cloud):
    body = bytes(range(256)) * (2 * PIECE // 256) + b"end"
    assert io.BufferedReader(Stream(uploaded(cloud, body)), 1000).read() == body


def test_an_object_that_is_replaced_while_it_is_read_is_left_alone(cloud):
    stream = Stream(uploaded(cloud, b"x" * (PIECE + 1)))
    stream.read(1)
    uploaded(cloud, b"y")
    with pytest.raises(Replaced):
        io.BufferedReader(stream).read()
    cloud.s3.delete_object(Bucket=BUCKET, Key=KEY)
    with pytest.raises(Replaced):
        Stream(Uploaded(BUCKET, KEY, "e", 5, "1")).read(1)


def test_every_record_is_sent_or_told_why_not(cloud):
    records = iter([*feed_samples.records("product", 25), {"sku": "S"}])
    assert transform(FEED, records, 0, lambda: True) == Stretch(
        0, 26, 1, {"INVALID_RECORD": 1}, "product/errors/f-1/run-1-0000000000.ndjson.gz", True
    )
    messages = queued(cloud)
    assert [message["number"] for message in messages] == list(range(25))
    assert [message["record"] for message in messages] == list(feed_samples.records("product", 25))
    file = cloud.s3.get_object(Bucket=BUCKET, Key="product/errors/f-1/run-1-0000000000.ndjson.gz")["Body"].read()
    [line] = map(json.loads, gzip.decompress(file).splitlines())
    assert (line["record"], line["reason"], line["pointer"]) == (26, "INVALID_RECORD", "/version")


def test_a_feed_without_faults_has_no_error_file(cloud):
    assert transform(FEED, feed_samples.records("product", 3), 0, lambda: True).error_key == ""
    assert "Contents" not in cloud.s3.list_objects_v2(Bucket=BUCKET)


def test_what_takes_too_long_goes_on_where_it_was(cloud, monkeypatch):
    monkeypatch.setattr("feed_transform.LOOK", 10)
    clock = iter([True, False])
    first = transform(FEED, feed_samples.records("product", 25), 0, lambda: next(clock))
    assert (first.end, first.done) == (20, False)
    second = transform(FEED, feed_samples.records("product", 25), first.end, lambda: True)
    assert (second.first, second.end, second.done) == (20, 25, True)
    assert [message["number"] for message in queued(cloud)] == list(range(25))


@pytest.mark.parametrize("refusals", [1, 3])
def test_messages_that_the_queue_refuses_are_sent_again(cloud, monkeypatch, refusals):
    real, left = cloud.sqs.send_message_batch, [refusals]
    monkeypatch.setattr("feed_queue.time.sleep", lambda seconds: None)

    def refusing(QueueUrl, Entries):
        if not left[0]:
            return real(QueueUrl=QueueUrl, Entries=Entries)
        left[0] -= 1
        kept = Entries[1:]
        answer = real(QueueUrl=QueueUrl, Entries=kept) if kept else {}
        return answer | {"Failed": [{"Id": Entries[0]["Id"], "Code": "InternalError", "SenderFault": False}]}

    monkeypatch.setattr(cloud.sqs, "send_message_batch", refusing)
    send([json.dumps({"number": number}) for number in range(10)])
    assert [message["number"] for message in queued(cloud)] == list(range(10))


def test_a_queue_that_keeps_refusing_fails_the_feed(cloud, monkeypatch):
    monkeypatch.setattr("feed_queue.time.sleep", lambda seconds: None)
    refused = {"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    monkeypatch.setattr(cloud.sqs, "send_message_batch", lambda **_: refused)
    with pytest.raises(NotSent), Outbox() as outbox:
        outbox.add({"number": 1})


def test_large_messages_share_no_request_that_would_be_too_large(cloud, monkeypatch):
    sizes = []
    real = cloud.sqs.send_message_batch

    def weighing(QueueUrl, Entries):
        sizes.append(sum(len(entry["MessageBody"]) for entry in Entries))
        return real(QueueUrl=QueueUrl, Entries=Entries)

    monkeypatch.setattr(cloud.sqs, "send_message_batch", weighing)
    with Outbox() as outbox:
        for number in range(7):
            outbox.add({"number": number, "text": "x" * 100_000})
    assert max(sizes) < 256 * 1024
    assert len(queued(cloud)) == 7


@pytest.mark.parametrize(("older", "newer"), [("0055AED6DCD90281E5", "0055AED6DCD90281E6"), ("0F", "1"), ("A", "A01")])
def test_sequencers_of_any_length_are_compared_as_s3_says(cloud, older, newer):
    """The shorter is padded with zeros on its right.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    assert begin(FEED, uploaded(cloud, b"[]", older))
    second = Feed("f-1", "product", "run-2", FEED.purge_at)
    assert begin(second, uploaded(cloud, b"[ ]", newer))
    assert not begin(Feed("f-1", "product", "run-3", FEED.purge_at), uploaded(cloud, b"[  ]", older))


def test_the_same_content_is_one_run_and_newer_content_another(cloud):
    old = uploaded(cloud, b"[]", "1")
    assert begin(FEED, old)
    assert begin(FEED, old), "a run that died is carried out again"
    enter(FEED, Stretch(0, 0, 0, {}, "", True))
    assert not begin(FEED, old), "a run that is through is not"
    newer = Feed("f-1", "product", "run-2", FEED.purge_at)
    assert begin(newer, uploaded(cloud, b"[ ]", "A2"))
    assert not begin(FEED, old), "what was replaced stays replaced"
    assert item(cloud)["run"] == {"S": "run-2"}


def test_stretches_that_were_repeated_count_once():
    def stretch(first, end, done=False):
        return {"first": first, "end": end, "rejected": 1, "reasons": {"X": 1}, "error_key": f"{first}", "done": done}

    way = walk({"0": stretch(0, 1200), "1000": stretch(1000, 3000, True), "1200": stretch(1200, 3000, True)})
    assert [part.first for part in way] == [0, 1200]
    assert summary(way) == {
        "received": 3000,
        "transformed": 2998,
        "rejected": 2,
        "rejected_reasons": {"X": 2},
        "error_keys": ["0", "1200"],
        "unreadable": None,
    }


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("product/in/2026/01/01/f-1.json", "f-1"),
        ("product/in/2026/01/01/f-1.ndjson.gz", "f-1"),
        ("product/in/f.1", "f.1"),
        ("product/in/2026/01/01/a name with spaces.json", r"[0-9a-f]{24}"),
        ("product/in/", "in"),
    ],
)
def test_any_key_has_a_feed_id(key, expected):
    assert re.fullmatch(expected, feed_id(key))


def test_the_handler_takes_the_event_of_the_store(cloud):
    app = importlib.import_module("transform_feed.app")
    found = uploaded(cloud, content(12, 7))
    assert app.handler(created(found), CONTEXT)["done"]
    assert "done" not in app.handler(created(found), CONTEXT), "the same event again does nothing"
    assert len(queued(cloud)) == 12
    stored = item(cloud)
    assert (stored["status"], stored["received"], stored["rejected"]) == ({"S": "UPDATING"}, {"N": "13"}, {"N": "1"})
    assert stored["run"] == {"S": run_id("f-1", found.etag)}


def test_the_handler_goes_on_in_another_invocation(cloud, monkeypatch):
    monkeypatch.setattr("feed_transform.LOOK", 10)
    app = importlib.import_module("transform_feed.app")
    invoked: list[dict[str, Any]] = []
    invoke = SimpleNamespace(invoke=lambda **call: invoked.append(call))
    real = aws.client
    monkeypatch.setattr(app, "client", lambda service: invoke if service == "lambda" else real(service))
    short = SimpleNamespace(**vars(CONTEXT) | {"get_remaining_time_in_millis": lambda: 1000})
    event = created(uploaded(cloud, content(25)))
    ends = []
    while event:
        ends.append(app.handler(event, short)["end"])
        event = json.loads(invoked.pop()["Payload"]) if invoked else None
    assert ends == [10, 20, 25]
    assert [message["number"] for message in queued(cloud)] == list(range(25))
    assert item(cloud)["received"] == {"N": "25"}


@pytest.mark.parametrize(
    ("body", "reason"), [(b"", "EMPTY"), (content(2)[:-1], "INVALID_JSON"), (b"\x1f\x8bx", "INVALID_GZIP")]
)
def test_a_feed_that_cannot_be_read_to_its_end_says_so(cloud, body, reason):
    app = importlib.import_module("transform_feed.app")
    app.handler(created(uploaded(cloud, body)), CONTEXT)
    assert item(cloud)["unreadable"]["S"].startswith(reason)
