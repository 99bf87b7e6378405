"""From an uploaded object to messages, an error file and a feed that is accounted for; over moto."""

import gzip
import importlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from feeds.clients.queue import NotSent, Outbox, send
from feeds.clients.source import PIECE, Replaced, Stream, Uploaded
from feeds.domain import records as records_module
from feeds.repository.progress import Progress, begin, enter, resume
from feeds.workflow.transform import Feed, Stretch, feed_id, run_id, summary, transform, walk
from local import feed_samples
from local.settings import ROOT
from setpieces import aws
from tests.present import present
from tests.unit.interleave import meanwhile
from tests.unit.lost_answers import repeat
from tests.unit.tables import mocked_table

BUCKET, KEY = "feeds", "product/in/2026/01/01/f-1.json"
NOW = "2026-01-01T00:00:00Z"
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
    monkeypatch.setattr(records_module, "SCHEMAS", ROOT / "schemas" / "feeds")
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
    return Uploaded(BUCKET, KEY, etag, len(content), sequencer, NOW)


def records_of_time(count: int) -> Callable[[], bool]:
    """There is time for so many records."""
    left = iter([True] * (count - 1))
    return lambda: next(left, False)


def with_time_for(records: int) -> SimpleNamespace:
    """The context of an invocation that has time to read so many records."""
    time_left = records_of_time(records)
    return SimpleNamespace(**vars(CONTEXT) | {"get_remaining_time_in_millis": lambda: 900_000 if time_left() else 1000})


def created(found: Uploaded) -> dict[str, Any]:
    described = {"key": found.key, "etag": found.etag, "size": found.size, "sequencer": found.sequencer}
    return {"time": NOW, "detail": {"bucket": {"name": found.bucket}, "object": described}}


def queued(cloud) -> list[dict[str, Any]]:
    found = []
    while messages := cloud.sqs.receive_message(QueueUrl=cloud.url, MaxNumberOfMessages=10).get("Messages", []):
        found += [json.loads(message["Body"]) for message in messages]
    return sorted(found, key=lambda message: message["number"])


def item(cloud) -> dict[str, Any]:
    [found] = cloud.table.scan(TableName="table")["Items"]
    return found


def invocations(app: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The calls by which the function ``app`` starts itself; nothing is started."""
    invoked: list[dict[str, Any]] = []
    invoke = SimpleNamespace(invoke=lambda **call: invoked.append(call))
    real = aws.client
    monkeypatch.setattr(app, "client", lambda service: invoke if service == "lambda" else real(service))
    return invoked


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
        0, 26, 1, {"INVALID_RECORD": 1}, "product/errors/f-1/run-1-0000000000-0000000026.ndjson.gz", True
    )
    messages = queued(cloud)
    assert [message["number"] for message in messages] == list(range(25))
    assert [message["record"] for message in messages] == list(feed_samples.records("product", 25))
    file = cloud.s3.get_object(Bucket=BUCKET, Key="product/errors/f-1/run-1-0000000000-0000000026.ndjson.gz")[
        "Body"
    ].read()
    [line] = map(json.loads, gzip.decompress(file).splitlines())
    assert (line["record"], line["reason"], line["pointer"]) == (26, "INVALID_RECORD", "/version")


def test_a_feed_without_faults_has_no_error_file(cloud):
    assert transform(FEED, feed_samples.records("product", 3), 0, lambda: True).error_key == ""
    assert "Contents" not in cloud.s3.list_objects_v2(Bucket=BUCKET)


def test_a_feed_that_takes_too_long_goes_on_behind_its_last_record(cloud):
    first = transform(FEED, feed_samples.records("product", 25), 0, records_of_time(20))
    assert (first.end, first.done) == (20, False)
    second = transform(FEED, feed_samples.records("product", 25), first.end, lambda: True)
    assert (second.first, second.end, second.done) == (20, 25, True)
    assert [message["number"] for message in queued(cloud)] == list(range(25))


def test_a_feed_whose_beginning_takes_too_long_ends(cloud):
    """Each invocation reads it from its beginning: no later one would come any further."""
    found = transform(FEED, feed_samples.records("product", 25), 20, records_of_time(20))
    assert (found.first, found.end, found.done) == (20, 20, True)
    assert found.unreadable.startswith("FEED_TOO_LARGE")
    assert queued(cloud) == []


def test_a_feed_with_too_many_faults_ends(cloud, monkeypatch):
    """Its error file would not fit on the disk of the function."""
    monkeypatch.setattr("feeds.workflow.transform.MAX_REJECTED", 3)
    found = transform(FEED, iter([{"sku": "S"}] * 5), 0, lambda: True)
    assert (found.end, found.rejected, found.done) == (3, 3, True)
    assert found.unreadable.startswith("TOO_MANY_REJECTED")


@pytest.mark.parametrize("refusals", [1, 3])
def test_messages_that_the_queue_refuses_are_sent_again(cloud, monkeypatch, refusals):
    real, left = cloud.sqs.send_message_batch, [refusals]
    monkeypatch.setattr("feeds.clients.queue.time.sleep", lambda seconds: None)

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
    monkeypatch.setattr("feeds.clients.queue.time.sleep", lambda seconds: None)
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


def test_uploads_under_two_keys_are_in_the_order_of_their_times(cloud):
    """S3 compares sequencers of one key only; the folder of the next day is another key for the same feed."""
    today = uploaded(cloud, b"[]", "F")
    tomorrow = replace(today, key=KEY.replace("/01/f", "/02/f"), sequencer="1", at="2026-01-02T00:00:00Z")
    assert begin(FEED, today)
    assert begin(Feed("f-1", "product", "run-2", FEED.purge_at), tomorrow)
    assert not begin(Feed("f-1", "product", "run-3", FEED.purge_at), today)
    assert item(cloud)["source_key"] == {"S": tomorrow.key}


def test_an_upload_is_one_run_and_a_newer_one_another(cloud):
    old = uploaded(cloud, b"[]", "1")
    progress = begin(FEED, old)
    assert progress == Progress(FEED, [])
    assert begin(FEED, old) == progress, "a run that died is carried out again"
    assert enter(progress, WHOLE)
    assert not begin(FEED, old), "a run that is through is not"
    newer = Feed("f-1", "product", "run-2", FEED.purge_at)
    assert begin(newer, uploaded(cloud, b"[ ]", "A2"))
    assert not begin(FEED, old), "what was replaced stays replaced"
    assert not enter(progress, WHOLE)
    assert item(cloud)["run"] == {"S": "run-2"}


def test_a_run_keeps_the_id_that_it_was_started_with(cloud):
    """Another version of this code may name it otherwise."""
    found = uploaded(cloud, b"[]", "1")
    begin(FEED, found)
    assert begin(Feed("f-1", "product", "another id", FEED.purge_at), found) == Progress(FEED, [])


def test_content_that_is_uploaded_again_after_other_content_is_passed_on_again(cloud, monkeypatch):
    """The accounts of the first run say nothing of the third."""
    app = importlib.import_module("feeds.handlers.transform_feed")
    first, second = content(3), content(4)
    runs = []
    for sequencer, body in enumerate((first, second, first), start=1):
        app.handler(created(uploaded(cloud, body, str(sequencer))), CONTEXT)
        [run] = {message["run"] for message in queued(cloud)}
        assert item(cloud)["run"] == {"S": run}
        runs.append(run)
    assert len(set(runs)) == 3


# --- two invocations of one run ---
WHOLE = Stretch(0, 0, 0, {}, "", True)


def stretch(first: int, end: int, done: bool = False) -> Stretch:
    return Stretch(first, end, 1, {"X": 1}, f"{first}-{end}", done)


def test_a_stretch_is_entered_once_and_the_second_invocation_ends(cloud):
    """Both started from the same event; the first is through before the second has entered anything."""
    found = uploaded(cloud, b"[]")
    mine, other = present(begin(FEED, found)), present(begin(FEED, found))
    assert enter(mine, stretch(0, 2000))
    assert not enter(other, stretch(0, 1000))
    mine = present(resume(FEED))
    assert mine == Progress(FEED, [stretch(0, 2000)])
    assert enter(mine, stretch(2000, 3000, done=True))
    assert not enter(other, stretch(0, 1000, done=True))
    assert (item(cloud)["received"], item(cloud)["rejected"]) == ({"N": "3000"}, {"N": "2"})
    assert resume(FEED) is None


def test_an_invocation_that_is_repeated_goes_on_behind_what_is_entered(cloud):
    """Lambda repeats it when the answer to its last call, which started the next one, was lost."""
    found = uploaded(cloud, b"[]")
    assert enter(present(begin(FEED, found)), stretch(0, 1000))
    second = present(resume(FEED))
    assert enter(second, stretch(1000, 2000))
    third, repeated = present(resume(FEED)), present(resume(FEED))
    assert repeated.first == 2000
    assert enter(repeated, stretch(2000, 2500))
    assert not enter(third, stretch(2000, 3000, done=True))
    assert enter(present(resume(FEED)), stretch(2500, 3000, done=True))
    assert item(cloud)["received"] == {"N": "3000"}


def test_two_runs_of_the_handler_end_in_one_manifest(cloud, monkeypatch):
    """EventBridge hands the upload over again while it is transformed: every interleaving ends with all records."""
    app = importlib.import_module("feeds.handlers.transform_feed")
    event = created(uploaded(cloud, content(25, 7)))
    invoked = invocations(app, monkeypatch)
    meanwhile(monkeypatch, "UpdateItem", lambda: app.handler(event, CONTEXT), skip=1)
    answer = app.handler(event, with_time_for(10))
    assert "end" not in answer, "the other one was first"
    assert invoked == []
    stored = item(cloud)
    assert (stored["status"], stored["received"], stored["rejected"]) == ({"S": "UPDATING"}, {"N": "26"}, {"N": "1"})
    assert {message["number"] for message in queued(cloud)} == set(range(25))


def test_a_stretch_whose_answer_was_lost_is_entered(cloud, monkeypatch):
    progress = present(begin(FEED, uploaded(cloud, b"[]")))
    repeat(monkeypatch, cloud.table, "update_item")
    assert enter(progress, stretch(0, 1000))
    assert enter(present(resume(FEED)), stretch(1000, 1500, done=True))


def test_files_of_errors_of_two_invocations_are_two(cloud):
    """The one that is entered says what it holds, whichever was written last."""
    records = [{"sku": "S"}, {"sku": "T"}]
    long = transform(FEED, iter(records), 0, lambda: True)
    short = transform(FEED, iter(records), 0, lambda: False)
    assert (long.rejected, short.rejected) == (2, 1)
    for found in (long, short):
        file = cloud.s3.get_object(Bucket=BUCKET, Key=found.error_key)["Body"].read()
        assert len(gzip.decompress(file).splitlines()) == found.rejected


def test_a_run_of_which_nothing_is_known_is_not_gone_on_with(cloud):
    assert resume(FEED) is None


def test_the_stretches_of_a_feed_add_up():
    way = walk({str(part.first): asdict(part) for part in (stretch(1200, 3000, done=True), stretch(0, 1200))})
    assert way == [stretch(0, 1200), stretch(1200, 3000, done=True)]
    assert summary(way) == {
        "received": 3000,
        "transformed": 2998,
        "rejected": 2,
        "rejected_reasons": {"X": 2},
        "error_keys": ["0-1200", "1200-3000"],
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
    app = importlib.import_module("feeds.handlers.transform_feed")
    found = uploaded(cloud, content(12, 7))
    assert app.handler(created(found), CONTEXT)["done"]
    assert "done" not in app.handler(created(found), CONTEXT), "the same event again does nothing"
    assert len(queued(cloud)) == 12
    stored = item(cloud)
    assert (stored["status"], stored["received"], stored["rejected"]) == ({"S": "UPDATING"}, {"N": "13"}, {"N": "1"})
    assert stored["run"] == {"S": run_id(KEY, found.sequencer)}


def test_the_handler_goes_on_in_another_invocation(cloud, monkeypatch):
    app = importlib.import_module("feeds.handlers.transform_feed")
    invoked = invocations(app, monkeypatch)
    event: dict[str, Any] | None = created(uploaded(cloud, content(25)))
    ends: list[int] = []
    while event:
        ends.append(app.handler(event, with_time_for(10 * (len(ends) + 1)))["end"])
        event = json.loads(invoked.pop()["Payload"]) if invoked else None
    assert ends == [10, 20, 25]
    assert [message["number"] for message in queued(cloud)] == list(range(25))
    assert item(cloud)["received"] == {"N": "25"}


@pytest.mark.parametrize(
    ("body", "reason"), [(b"", "EMPTY"), (content(2)[:-1], "INVALID_JSON"), (b"\x1f\x8bx", "INVALID_GZIP")]
)
def test_a_feed_that_cannot_be_read_to_its_end_says_so(cloud, body, reason):
    app = importlib.import_module("feeds.handlers.transform_feed")
    app.handler(created(uploaded(cloud, body)), CONTEXT)
    assert item(cloud)["unreadable"]["S"].startswith(reason)
