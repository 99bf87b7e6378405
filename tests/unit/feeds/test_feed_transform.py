"""From an uploaded object to messages, an error file and a feed that is accounted for."""

import gzip
import io
import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
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
from tests.faults import Faults
from tests.present import present
from tests.service import Service

KEY = "product/in/2026/01/01/f-1.json"
NOW = "2026-01-01T00:00:00Z"
FEED = Feed("f-1", "product", "run-1", 2_000_000_000)


class Pipeline:
    """The function that transforms uploads, the bucket that they are in, the queue and the table that it writes."""

    def __init__(self, service: Service, feeds: Service, faults: Faults) -> None:
        self.service, self.feeds, self.faults = service, feeds, faults
        faults.answer("Invoke", lambda request: {"StatusCode": 202})

    def upload(self, content: bytes, sequencer: str = "1") -> Uploaded:
        bucket = self.feeds.name("Bucket")
        etag = boto3.client("s3").put_object(Bucket=bucket, Key=KEY, Body=content)["ETag"].strip('"')
        return Uploaded(bucket, KEY, etag, len(content), sequencer, NOW)

    def transform(self, event: dict[str, Any], *, records: int | None = None) -> dict[str, Any]:
        """The result of an invocation, which has time for so many ``records``."""
        has_time = records_of_time(records) if records else lambda: True
        result: dict[str, Any] = self.service.invoke("transform_feed", event, seconds=lambda: 900 if has_time() else 1)
        return result

    def started(self) -> list[dict[str, Any]]:
        """The events with which the function has started itself; nothing is carried out."""
        return [json.loads(request["Payload"]) for request in self.faults.requests("Invoke")]

    def queued(self) -> list[dict[str, Any]]:
        """The messages on the queue, by the numbers of their records; they are removed."""
        messages = [message.json() for message in self.service.messages("RecordsQueue")]
        return sorted(messages, key=lambda message: message["number"])

    def feed(self) -> dict[str, Any]:
        [feed] = self.feeds.items("FeedsTable")
        return feed

    def error_file(self, key: str) -> list[dict[str, Any]]:
        """The lines of the error file with this key."""
        return [json.loads(line) for line in gzip.decompress(self.feeds.read_object("Bucket", key)).splitlines()]


@pytest.fixture
def pipeline(service: Callable[..., Service], faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setattr(records_module, "SCHEMAS", ROOT / "schemas" / "feeds")
    return Pipeline(service("feed-pipeline"), service("feeds"), faults)


def records_of_time(count: int) -> Callable[[], bool]:
    """There is time for so many records."""
    left = iter([True] * (count - 1))
    return lambda: next(left, False)


def created(upload: Uploaded) -> dict[str, Any]:
    """The event of S3 for an upload."""
    described = {"key": upload.key, "etag": upload.etag, "size": upload.size, "sequencer": upload.sequencer}
    return {"time": NOW, "detail": {"bucket": {"name": upload.bucket}, "object": described}}


def content(count: int, *bad: Any) -> bytes:
    return json.dumps([*feed_samples.records("product", count), *bad]).encode()


def test_an_object_is_read_in_pieces(pipeline: Pipeline):
    body = bytes(range(256)) * (2 * PIECE // 256) + b"end"
    assert io.BufferedReader(Stream(pipeline.upload(body)), 1000).read() == body


def test_an_object_that_is_replaced_while_it_is_read_is_left_alone(pipeline: Pipeline):
    stream = Stream(pipeline.upload(b"x" * (PIECE + 1)))
    stream.read(1)
    pipeline.upload(b"y")
    with pytest.raises(Replaced):
        io.BufferedReader(stream).read()
    boto3.client("s3").delete_object(Bucket=pipeline.feeds.name("Bucket"), Key=KEY)
    with pytest.raises(Replaced):
        Stream(Uploaded(pipeline.feeds.name("Bucket"), KEY, "e", 5, "1")).read(1)


def test_every_record_is_sent_or_told_why_not(pipeline: Pipeline):
    records = iter([*feed_samples.records("product", 25), {"sku": "S"}])
    assert transform(FEED, records, 0, lambda: True) == Stretch(
        0, 26, 1, {"INVALID_RECORD": 1}, "product/errors/f-1/run-1-0000000000-0000000026.ndjson.gz", True
    )
    messages = pipeline.queued()
    assert [message["number"] for message in messages] == list(range(25))
    assert [message["record"] for message in messages] == list(feed_samples.records("product", 25))
    [line] = pipeline.error_file("product/errors/f-1/run-1-0000000000-0000000026.ndjson.gz")
    assert (line["record"], line["reason"], line["pointer"]) == (26, "INVALID_RECORD", "/version")


def test_a_feed_without_faults_has_no_error_file(pipeline: Pipeline):
    assert transform(FEED, feed_samples.records("product", 3), 0, lambda: True).error_key == ""
    assert pipeline.feeds.object_keys("Bucket") == []


def test_a_feed_that_takes_too_long_goes_on_behind_its_last_record(pipeline: Pipeline):
    first = transform(FEED, feed_samples.records("product", 25), 0, records_of_time(20))
    assert (first.end, first.done) == (20, False)
    second = transform(FEED, feed_samples.records("product", 25), first.end, lambda: True)
    assert (second.first, second.end, second.done) == (20, 25, True)
    assert [message["number"] for message in pipeline.queued()] == list(range(25))


def test_a_feed_whose_beginning_takes_too_long_ends(pipeline: Pipeline):
    """Each invocation reads it from its beginning: no later one would come any further."""
    found = transform(FEED, feed_samples.records("product", 25), 20, records_of_time(20))
    assert (found.first, found.end, found.done) == (20, 20, True)
    assert found.unreadable.startswith("FEED_TOO_LARGE")
    assert pipeline.queued() == []


def test_a_feed_with_too_many_faults_ends(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch):
    """Its error file would not fit on the disk of the function."""
    monkeypatch.setattr("feeds.workflow.transform.MAX_REJECTED", 3)
    found = transform(FEED, iter([{"sku": "S"}] * 5), 0, lambda: True)
    assert (found.end, found.rejected, found.done) == (3, 3, True)
    assert found.unreadable.startswith("TOO_MANY_REJECTED")


def refuse_first(request: Any) -> Any:
    """SQS takes all messages of a request but the first."""
    first, *others = request["Entries"]
    sqs: Any = aws.client("sqs")
    answer = sqs.send_message_batch(QueueUrl=request["QueueUrl"], Entries=others) if others else {}
    return answer | {"Failed": [{"Id": first["Id"], "Code": "InternalError", "SenderFault": False}]}


@pytest.mark.parametrize("refusals", [1, 3])
def test_messages_that_the_queue_refuses_are_sent_again(
    pipeline: Pipeline, faults: Faults, monkeypatch: pytest.MonkeyPatch, refusals: int
):
    monkeypatch.setattr("feeds.clients.queue.time.sleep", lambda seconds: None)
    faults.answer("SendMessageBatch", refuse_first, times=refusals)
    send([json.dumps({"number": number}) for number in range(10)])
    assert [message["number"] for message in pipeline.queued()] == list(range(10))


def test_a_queue_that_keeps_refusing_fails_the_feed(
    pipeline: Pipeline, faults: Faults, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("feeds.clients.queue.time.sleep", lambda seconds: None)
    faults.answer("SendMessageBatch", refuse_first)
    with pytest.raises(NotSent), Outbox() as outbox:
        outbox.add({"number": 1})


def test_large_messages_share_no_request_that_would_be_too_large(pipeline: Pipeline, faults: Faults):
    with Outbox() as outbox:
        for number in range(7):
            outbox.add({"number": number, "text": "x" * 100_000})
    requests = faults.requests("SendMessageBatch")
    assert max(sum(len(entry["MessageBody"]) for entry in request["Entries"]) for request in requests) < 256 * 1024
    assert len(pipeline.queued()) == 7


@pytest.mark.parametrize(("older", "newer"), [("0055AED6DCD90281E5", "0055AED6DCD90281E6"), ("0F", "1"), ("A", "A01")])
def test_sequencers_of_any_length_are_compared_as_s3_says(pipeline: Pipeline, older, newer):
    """The shorter is padded with zeros on its right.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    assert begin(FEED, pipeline.upload(b"[]", older))
    second = Feed("f-1", "product", "run-2", FEED.purge_at)
    assert begin(second, pipeline.upload(b"[ ]", newer))
    assert not begin(Feed("f-1", "product", "run-3", FEED.purge_at), pipeline.upload(b"[  ]", older))


def test_uploads_under_two_keys_are_in_the_order_of_their_times(pipeline: Pipeline):
    """S3 compares sequencers of one key only; the folder of the next day is another key for the same feed."""
    today = pipeline.upload(b"[]", "F")
    tomorrow = replace(today, key=KEY.replace("/01/f", "/02/f"), sequencer="1", at="2026-01-02T00:00:00Z")
    assert begin(FEED, today)
    assert begin(Feed("f-1", "product", "run-2", FEED.purge_at), tomorrow)
    assert not begin(Feed("f-1", "product", "run-3", FEED.purge_at), today)
    assert pipeline.feed()["source_key"] == tomorrow.key


def test_an_upload_is_one_run_and_a_newer_one_another(pipeline: Pipeline):
    old = pipeline.upload(b"[]", "1")
    progress = present(begin(FEED, old))
    assert progress == Progress(FEED, [])
    assert begin(FEED, old) == progress, "a run that died is carried out again"
    assert enter(progress, WHOLE)
    assert not begin(FEED, old), "a run that is through is not"
    newer = Feed("f-1", "product", "run-2", FEED.purge_at)
    assert begin(newer, pipeline.upload(b"[ ]", "A2"))
    assert not begin(FEED, old), "what was replaced stays replaced"
    assert not enter(progress, WHOLE)
    assert pipeline.feed()["run"] == "run-2"


def test_a_run_keeps_the_id_that_it_was_started_with(pipeline: Pipeline):
    """Another version of this code may name it otherwise."""
    found = pipeline.upload(b"[]", "1")
    begin(FEED, found)
    assert begin(Feed("f-1", "product", "another id", FEED.purge_at), found) == Progress(FEED, [])


def test_content_that_is_uploaded_again_after_other_content_is_passed_on_again(pipeline: Pipeline):
    """The accounts of the first run say nothing of the third."""
    first, second = content(3), content(4)
    runs = []
    for sequencer, body in enumerate((first, second, first), start=1):
        pipeline.transform(created(pipeline.upload(body, str(sequencer))))
        [run] = {message["run"] for message in pipeline.queued()}
        assert pipeline.feed()["run"] == run
        runs.append(run)
    assert len(set(runs)) == 3


# --- two invocations of one run ---
WHOLE = Stretch(0, 0, 0, {}, "", True)


def stretch(first: int, end: int, done: bool = False) -> Stretch:
    return Stretch(first, end, 1, {"X": 1}, f"{first}-{end}", done)


def test_a_stretch_is_entered_once_and_the_second_invocation_ends(pipeline: Pipeline):
    """Both started from the same event; the first is through before the second has entered anything."""
    found = pipeline.upload(b"[]")
    mine, other = present(begin(FEED, found)), present(begin(FEED, found))
    assert enter(mine, stretch(0, 2000))
    assert not enter(other, stretch(0, 1000))
    mine = present(resume(FEED))
    assert mine == Progress(FEED, [stretch(0, 2000)])
    assert enter(mine, stretch(2000, 3000, done=True))
    assert not enter(other, stretch(0, 1000, done=True))
    assert (pipeline.feed()["received"], pipeline.feed()["rejected"]) == (3000, 2)
    assert resume(FEED) is None


def test_an_invocation_that_is_repeated_goes_on_behind_what_is_entered(pipeline: Pipeline):
    """Lambda repeats it when the answer to its last call, which started the next one, was lost."""
    found = pipeline.upload(b"[]")
    assert enter(present(begin(FEED, found)), stretch(0, 1000))
    second = present(resume(FEED))
    assert enter(second, stretch(1000, 2000))
    third, repeated = present(resume(FEED)), present(resume(FEED))
    assert repeated.first == 2000
    assert enter(repeated, stretch(2000, 2500))
    assert not enter(third, stretch(2000, 3000, done=True))
    assert enter(present(resume(FEED)), stretch(2500, 3000, done=True))
    assert pipeline.feed()["received"] == 3000


def test_two_runs_of_the_handler_end_in_one_manifest(pipeline: Pipeline, faults: Faults):
    """EventBridge hands the upload over again while it is transformed: every interleaving ends with all records."""
    event = created(pipeline.upload(content(25, 7)))
    faults.meanwhile("UpdateItem", lambda: pipeline.transform(event), skip=1)
    answer = pipeline.transform(event, records=10)
    assert "end" not in answer, "the other one was first"
    assert pipeline.started() == []
    stored = pipeline.feed()
    assert (stored["status"], stored["received"], stored["rejected"]) == ("UPDATING", 26, 1)
    assert {message["number"] for message in pipeline.queued()} == set(range(25))


def test_a_stretch_whose_answer_was_lost_is_entered(pipeline: Pipeline, faults: Faults):
    progress = present(begin(FEED, pipeline.upload(b"[]")))
    faults.lose_answer("UpdateItem")
    assert enter(progress, stretch(0, 1000))
    assert enter(present(resume(FEED)), stretch(1000, 1500, done=True))


def test_files_of_errors_of_two_invocations_are_two(pipeline: Pipeline):
    """The one that is entered says what it holds, whichever was written last."""
    records = [{"sku": "S"}, {"sku": "T"}]
    long = transform(FEED, iter(records), 0, lambda: True)
    short = transform(FEED, iter(records), 0, lambda: False)
    assert (long.rejected, short.rejected) == (2, 1)
    for found in (long, short):
        assert len(pipeline.error_file(found.error_key)) == found.rejected


def test_a_run_of_which_nothing_is_known_is_not_gone_on_with(pipeline: Pipeline):
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


def test_the_handler_takes_the_event_of_the_store(pipeline: Pipeline):
    found = pipeline.upload(content(12, 7))
    assert pipeline.transform(created(found))["done"]
    assert "done" not in pipeline.transform(created(found)), "the same event again does nothing"
    assert len(pipeline.queued()) == 12
    stored = pipeline.feed()
    assert (stored["status"], stored["received"], stored["rejected"]) == ("UPDATING", 13, 1)
    assert stored["run"] == run_id(KEY, found.sequencer)


def test_the_handler_goes_on_in_another_invocation(pipeline: Pipeline):
    event = created(pipeline.upload(content(25)))
    ends: list[int] = []
    while len(pipeline.started()) == len(ends):
        event = [event, *pipeline.started()][-1]
        ends.append(pipeline.transform(event, records=10 * (len(ends) + 1))["end"])
    assert ends == [10, 20, 25]
    assert [message["number"] for message in pipeline.queued()] == list(range(25))
    assert pipeline.feed()["received"] == 25


@pytest.mark.parametrize(
    ("body", "reason"), [(b"", "EMPTY"), (content(2)[:-1], "INVALID_JSON"), (b"\x1f\x8bx", "INVALID_GZIP")]
)
def test_a_feed_that_cannot_be_read_to_its_end_says_so(pipeline: Pipeline, body, reason):
    pipeline.transform(created(pipeline.upload(body)))
    assert pipeline.feed()["unreadable"].startswith(reason)
