"""Transforming an upload: messages, error files and the progress of the feed."""

import gzip
import io
import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import boto3
import pytest

from feeds.clients.records_queue import NotSent, RecordSender, send
from feeds.clients.uploads import PART_BYTES, UploadReplaced, UploadStream
from feeds.domain import records as records_module
from feeds.domain.feeds import FeedRun, Upload, feed_id_from_key, run_id
from feeds.domain.segments import Segment, parse_segments, summarize
from feeds.repository.runs import Progress, add_segment, resume, start
from feeds.workflow.segments import transform_segment
from model.settings import ROOT
from setpieces import aws
from tests.faults import Faults
from tests.present import present
from tests.service import Service
from tools import feed_samples

KEY = "product/in/2026/01/01/f-1.json"
NOW = "2026-01-01T00:00:00Z"
RUN = FeedRun("f-1", "product", "run-1", 2_000_000_000)


class Pipeline:
    """The deployed function ``transform_feed``, with its bucket, queue and table."""

    def __init__(self, service: Service, feeds: Service, faults: Faults) -> None:
        self.service, self.feeds, self.faults = service, feeds, faults
        faults.respond("Invoke", lambda request: {"StatusCode": 202})

    def upload(self, content: bytes, sequencer: str = "1") -> Upload:
        """Put an object under ``KEY``; no event is delivered."""
        bucket = self.feeds.name("Bucket")
        etag = boto3.client("s3").put_object(Bucket=bucket, Key=KEY, Body=content)["ETag"].strip('"')
        return Upload(bucket, KEY, etag, len(content), sequencer, NOW)

    def transform(self, event: dict[str, Any], *, records: int | None = None) -> dict[str, Any]:
        """The result of an invocation that has time for ``records`` records, for all if None."""
        has_time = time_for(records) if records else lambda: True
        result: dict[str, Any] = self.service.invoke("transform_feed", event, seconds=lambda: 900 if has_time() else 1)
        return result

    def invocations(self) -> list[dict[str, Any]]:
        """The events with which the function has invoked itself; they are not carried out."""
        return [json.loads(request["Payload"]) for request in self.faults.requests("Invoke")]

    def queued(self) -> list[dict[str, Any]]:
        """Receive the messages on the queue, in the order of their record numbers."""
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


def time_for(count: int) -> Callable[[], bool]:
    """A ``has_time`` that is true for ``count`` records."""
    remaining = iter([True] * (count - 1))
    return lambda: next(remaining, False)


def upload_event(upload: Upload) -> dict[str, Any]:
    """S3's event for an upload."""
    item = {"key": upload.key, "etag": upload.etag, "size": upload.size, "sequencer": upload.sequencer}
    return {"time": NOW, "detail": {"bucket": {"name": upload.bucket}, "object": item}}


def content(count: int, *bad: Any) -> bytes:
    """A feed of ``count`` valid records, and then ``bad`` ones."""
    return json.dumps([*feed_samples.records("product", count), *bad]).encode()


def test_an_object_is_read_in_parts(pipeline: Pipeline):
    body = bytes(range(256)) * (2 * PART_BYTES // 256) + b"end"
    assert io.BufferedReader(UploadStream(pipeline.upload(body)), 1000).read() == body


def test_reading_ends_when_the_object_is_replaced_or_deleted(pipeline: Pipeline):
    stream = UploadStream(pipeline.upload(b"x" * (PART_BYTES + 1)))
    stream.read(1)
    pipeline.upload(b"y")
    with pytest.raises(UploadReplaced):
        io.BufferedReader(stream).read()
    boto3.client("s3").delete_object(Bucket=pipeline.feeds.name("Bucket"), Key=KEY)
    with pytest.raises(UploadReplaced):
        UploadStream(Upload(pipeline.feeds.name("Bucket"), KEY, "e", 5, "1")).read(1)


def test_every_record_is_on_the_queue_or_in_the_error_file(pipeline: Pipeline):
    records = iter([*feed_samples.records("product", 25), {"sku": "S"}])
    assert transform_segment(RUN, records, 0, lambda: True) == Segment(
        0, 26, 1, {"INVALID_RECORD": 1}, "product/errors/f-1/run-1-0000000000-0000000026.ndjson.gz", True
    )
    messages = pipeline.queued()
    assert [message["number"] for message in messages] == list(range(25))
    assert [message["record"] for message in messages] == list(feed_samples.records("product", 25))
    [line] = pipeline.error_file("product/errors/f-1/run-1-0000000000-0000000026.ndjson.gz")
    assert (line["record"], line["reason"], line["pointer"]) == (26, "INVALID_RECORD", "/version")


def test_a_feed_without_rejected_records_has_no_error_file(pipeline: Pipeline):
    assert transform_segment(RUN, feed_samples.records("product", 3), 0, lambda: True).error_key == ""
    assert pipeline.feeds.object_keys("Bucket") == []


def test_the_next_segment_begins_after_the_last_record_of_the_one_before(pipeline: Pipeline):
    first = transform_segment(RUN, feed_samples.records("product", 25), 0, time_for(20))
    assert (first.end, first.done) == (20, False)
    second = transform_segment(RUN, feed_samples.records("product", 25), first.end, lambda: True)
    assert (second.first, second.end, second.done) == (20, 25, True)
    assert [message["number"] for message in pipeline.queued()] == list(range(25))


def test_a_feed_with_too_long_a_prefix_is_unreadable(pipeline: Pipeline):
    """Each invocation reads it from its beginning: a later one would not read further."""
    result = transform_segment(RUN, feed_samples.records("product", 25), 20, time_for(20))
    assert (result.first, result.end, result.done) == (20, 20, True)
    assert result.unreadable.startswith("FEED_TOO_LARGE")
    assert pipeline.queued() == []


def test_a_feed_with_too_many_rejected_records_is_unreadable(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch):
    """Its error file would not fit on the disk of the function."""
    monkeypatch.setattr("feeds.workflow.segments.MAX_REJECTED", 3)
    result = transform_segment(RUN, iter([{"sku": "S"}] * 5), 0, lambda: True)
    assert (result.end, result.rejected, result.done) == (3, 3, True)
    assert result.unreadable.startswith("TOO_MANY_REJECTED")


def refuse_first(request: Any) -> Any:
    """SQS accepts all messages of a request but the first."""
    first, *others = request["Entries"]
    sqs: Any = aws.client("sqs")
    response = sqs.send_message_batch(QueueUrl=request["QueueUrl"], Entries=others) if others else {}
    return response | {"Failed": [{"Id": first["Id"], "Code": "InternalError", "SenderFault": False}]}


@pytest.mark.parametrize("refusals", [1, 3])
def test_messages_that_the_queue_refuses_are_sent_again(
    pipeline: Pipeline, faults: Faults, monkeypatch: pytest.MonkeyPatch, refusals: int
):
    monkeypatch.setattr("feeds.clients.records_queue.time.sleep", lambda seconds: None)
    faults.respond("SendMessageBatch", refuse_first, times=refusals)
    send([json.dumps({"number": number}) for number in range(10)])
    assert [message["number"] for message in pipeline.queued()] == list(range(10))


def test_sending_fails_if_the_queue_refuses_all_attempts(
    pipeline: Pipeline, faults: Faults, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("feeds.clients.records_queue.time.sleep", lambda seconds: None)
    faults.respond("SendMessageBatch", refuse_first)
    with pytest.raises(NotSent), RecordSender() as sender:
        sender.add({"number": 1})


def test_no_batch_of_large_messages_exceeds_the_limit_of_a_request(pipeline: Pipeline, faults: Faults):
    with RecordSender() as sender:
        for number in range(7):
            sender.add({"number": number, "text": "x" * 100_000})
    requests = faults.requests("SendMessageBatch")
    assert max(sum(len(entry["MessageBody"]) for entry in request["Entries"]) for request in requests) < 256 * 1024
    assert len(pipeline.queued()) == 7


@pytest.mark.parametrize(("older", "newer"), [("0055AED6DCD90281E5", "0055AED6DCD90281E6"), ("0F", "1"), ("A", "A01")])
def test_sequencers_of_different_lengths_are_ordered_as_s3_documents(pipeline: Pipeline, older, newer):
    """The shorter is padded with zeros on its right.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
    """
    assert start(RUN, pipeline.upload(b"[]", older))
    second = FeedRun("f-1", "product", "run-2", RUN.purge_at)
    assert start(second, pipeline.upload(b"[ ]", newer))
    assert not start(FeedRun("f-1", "product", "run-3", RUN.purge_at), pipeline.upload(b"[  ]", older))


def test_uploads_under_two_keys_are_ordered_by_time(pipeline: Pipeline):
    """S3 compares sequencers of one key only; the folder of the next day is another key for the same feed."""
    today = pipeline.upload(b"[]", "F")
    tomorrow = replace(today, key=KEY.replace("/01/f", "/02/f"), sequencer="1", at="2026-01-02T00:00:00Z")
    assert start(RUN, today)
    assert start(FeedRun("f-1", "product", "run-2", RUN.purge_at), tomorrow)
    assert not start(FeedRun("f-1", "product", "run-3", RUN.purge_at), today)
    assert pipeline.feed()["source_key"] == tomorrow.key


def test_a_run_can_be_repeated_until_it_is_complete_or_replaced(pipeline: Pipeline):
    old = pipeline.upload(b"[]", "1")
    progress = present(start(RUN, old))
    assert progress == Progress(RUN, [])
    assert start(RUN, old) == progress, "a run that crashed is repeated"
    assert add_segment(progress, ONLY_SEGMENT)
    assert not start(RUN, old), "a complete run is not"
    newer = FeedRun("f-1", "product", "run-2", RUN.purge_at)
    assert start(newer, pipeline.upload(b"[ ]", "A2"))
    assert not start(RUN, old), "a replaced run is not"
    assert resume(RUN) is None
    assert not add_segment(progress, ONLY_SEGMENT)
    assert pipeline.feed()["run"] == "run-2"


def test_a_run_keeps_its_first_id(pipeline: Pipeline):
    """Another version of this code may derive another id."""
    upload = pipeline.upload(b"[]", "1")
    start(RUN, upload)
    assert start(FeedRun("f-1", "product", "another id", RUN.purge_at), upload) == Progress(RUN, [])


def test_the_same_content_uploaded_again_is_another_run(pipeline: Pipeline):
    """The outcomes of the first run are not those of the third."""
    first, second = content(3), content(4)
    runs = []
    for sequencer, body in enumerate((first, second, first), start=1):
        pipeline.transform(upload_event(pipeline.upload(body, str(sequencer))))
        [run] = {message["run"] for message in pipeline.queued()}
        assert pipeline.feed()["run"] == run
        runs.append(run)
    assert len(set(runs)) == 3


# --- two invocations of one run ---
# Of a feed without records.
ONLY_SEGMENT = Segment(0, 0, 0, {}, "", True)


def segment(first: int, end: int, done: bool = False) -> Segment:
    """A segment with one rejected record."""
    return Segment(first, end, 1, {"X": 1}, f"{first}-{end}", done)


def test_of_two_invocations_one_stores_a_segment_and_the_other_ends(pipeline: Pipeline):
    """Both started from the same event; the first is done before the second has stored a segment."""
    upload = pipeline.upload(b"[]")
    first, second = present(start(RUN, upload)), present(start(RUN, upload))
    assert add_segment(first, segment(0, 2000))
    assert not add_segment(second, segment(0, 1000))
    first = present(resume(RUN))
    assert first == Progress(RUN, [segment(0, 2000)])
    assert add_segment(first, segment(2000, 3000, done=True))
    assert not add_segment(second, segment(0, 1000, done=True))
    assert (pipeline.feed()["received"], pipeline.feed()["rejected"]) == (3000, 2)
    assert resume(RUN) is None


def test_a_complete_run_has_no_further_segment(pipeline: Pipeline):
    assert add_segment(present(start(RUN, pipeline.upload(b"[]"))), ONLY_SEGMENT)
    assert not add_segment(Progress(RUN, [segment(0, 1000)]), segment(1000, 2000))


def test_a_repeated_invocation_continues_after_the_last_stored_segment(pipeline: Pipeline):
    """Lambda repeats an invocation when the response of its last call, which invokes the next one, was lost."""
    upload = pipeline.upload(b"[]")
    assert add_segment(present(start(RUN, upload)), segment(0, 1000))
    second = present(resume(RUN))
    assert add_segment(second, segment(1000, 2000))
    third, repeated = present(resume(RUN)), present(resume(RUN))
    assert repeated.next_record == 2000
    assert add_segment(repeated, segment(2000, 2500))
    assert not add_segment(third, segment(2000, 3000, done=True))
    assert add_segment(present(resume(RUN)), segment(2500, 3000, done=True))
    assert pipeline.feed()["received"] == 3000


def test_a_concurrent_delivery_of_the_same_event_sends_all_records(pipeline: Pipeline, faults: Faults):
    """EventBridge delivers the event again while the upload is transformed."""
    event = upload_event(pipeline.upload(content(25, 7)))
    faults.meanwhile("UpdateItem", lambda: pipeline.transform(event), skip=1)
    result = pipeline.transform(event, records=10)
    assert "end" not in result, "the other invocation was first"
    assert pipeline.invocations() == []
    stored = pipeline.feed()
    assert (stored["status"], stored["received"], stored["rejected"]) == ("UPDATING", 26, 1)
    assert {message["number"] for message in pipeline.queued()} == set(range(25))


def test_a_segment_is_stored_when_the_sdk_repeats_the_write(pipeline: Pipeline, faults: Faults):
    progress = present(start(RUN, pipeline.upload(b"[]")))
    faults.lose_response("UpdateItem")
    assert add_segment(progress, segment(0, 1000))
    assert add_segment(present(resume(RUN)), segment(1000, 1500, done=True))


def test_two_invocations_write_two_error_files(pipeline: Pipeline):
    """The key of each has the numbers of its records, so neither replaces the other."""
    records = [{"sku": "S"}, {"sku": "T"}]
    long = transform_segment(RUN, iter(records), 0, lambda: True)
    short = transform_segment(RUN, iter(records), 0, lambda: False)
    assert (long.rejected, short.rejected) == (2, 1)
    for result in (long, short):
        assert len(pipeline.error_file(result.error_key)) == result.rejected


def test_an_unknown_run_is_not_resumed(pipeline: Pipeline):
    assert resume(RUN) is None


def test_segments_are_ordered_and_summed_up():
    segments = parse_segments(
        {str(part.first): asdict(part) for part in (segment(1200, 3000, done=True), segment(0, 1200))}
    )
    assert segments == [segment(0, 1200), segment(1200, 3000, done=True)]
    assert summarize(segments) == {
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
def test_every_key_has_a_feed_id(key, expected):
    assert re.fullmatch(expected, feed_id_from_key(key))


def test_an_event_of_the_bucket_is_transformed_once(pipeline: Pipeline):
    upload = pipeline.upload(content(12, 7))
    assert pipeline.transform(upload_event(upload))["done"]
    assert "done" not in pipeline.transform(upload_event(upload)), "a repeated event has no effect"
    assert len(pipeline.queued()) == 12
    stored = pipeline.feed()
    assert (stored["status"], stored["received"], stored["rejected"]) == ("UPDATING", 13, 1)
    assert stored["run"] == run_id(KEY, upload.sequencer)


def test_the_handler_invokes_itself_for_the_rest(pipeline: Pipeline):
    event = upload_event(pipeline.upload(content(25)))
    ends: list[int] = []
    while len(pipeline.invocations()) == len(ends):
        event = [event, *pipeline.invocations()][-1]
        ends.append(pipeline.transform(event, records=10 * (len(ends) + 1))["end"])
    assert ends == [10, 20, 25]
    assert [message["number"] for message in pipeline.queued()] == list(range(25))
    assert pipeline.feed()["received"] == 25


@pytest.mark.parametrize(
    ("body", "reason"), [(b"", "EMPTY"), (content(2)[:-1], "INVALID_JSON"), (b"\x1f\x8bx", "INVALID_GZIP")]
)
def test_an_unreadable_feed_stores_the_reason(pipeline: Pipeline, body, reason):
    pipeline.transform(upload_event(pipeline.upload(body)))
    assert pipeline.feed()["unreadable"].startswith(reason)
