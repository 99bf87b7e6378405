"""The frame around functions behind a queue."""

import json
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import boto3
import pytest

from setpieces import sqs_consumer
from setpieces.backoff import backoff_seconds
from setpieces.errors import ExternalUnavailable, PermanentFailure, RetryLater
from setpieces.events import PublishFailed
from setpieces.sqs_consumer import Record, queue_handler
from tests.faults import refused, throttled, time_out
from tests.lambda_events import CONTEXT, sqs_record
from tests.service import Cloud, Message, receive_messages


def record(number: int, body: object, group: str | None = None) -> dict[str, Any]:
    return sqs_record(body, message_id=f"m{number}", receive_count=2, group_id=group)


@pytest.fixture
def dead_letters(aws_cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Message]]:
    """The messages of the dead-letter queue, which are removed."""
    url = boto3.client("sqs").create_queue(QueueName="dead")["QueueUrl"]
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", url)
    return lambda: receive_messages(url)


def run(process, *records: dict) -> list[str]:
    response = queue_handler(process)({"Records": list(records)}, CONTEXT)
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def test_only_the_failed_record_comes_back():
    def process(body: dict, record: Record) -> None:
        if body["n"] == 2:
            raise RuntimeError("later")

    assert run(process, *(record(n, {"n": n}) for n in (1, 2, 3))) == ["m2"]


def test_a_failed_record_blocks_the_rest_of_its_group_only():
    processed = []

    def process(body: dict, record: Record) -> None:
        processed.append(record.message_id)
        if body["n"] == 1:
            raise RuntimeError("later")

    records = [record(1, {"n": 1}, "a"), record(2, {"n": 2}, "b"), record(3, {"n": 3}, "a"), record(4, {"n": 4}, "b")]
    assert run(process, *records) == ["m1", "m3"]
    assert processed == ["m1", "m2", "m4"]


@pytest.mark.parametrize("body", ["not json", "[]", "null", '"text"', ""])
def test_a_body_that_is_not_an_object_is_a_dead_letter_with_its_reason(dead_letters, body):
    assert run(lambda body, record: None, record(1, body or " ")) == []
    [letter] = dead_letters()
    assert letter.attributes["reason"] == "INVALID_JSON"
    assert letter.attributes["message_id"] == "m1"


def test_a_permanent_failure_is_a_dead_letter_and_the_batch_continues(dead_letters):
    processed = []

    def process(body: dict, record: Record) -> None:
        if body["n"] == 1:
            raise PermanentFailure("UNKNOWN_ORDER", "no such order")
        processed.append(record.receive_count)

    assert run(process, record(1, {"n": 1}), record(2, {"n": 2})) == []
    assert processed == [2]
    assert [letter.body for letter in dead_letters()] == ['{"n": 1}']


def test_a_message_that_cannot_be_parked_is_delivered_again(dead_letters, monkeypatch):
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/000000000000/gone")

    def process(body: dict, record: Record) -> None:
        raise PermanentFailure("NO")

    assert run(process, record(1, {})) == ["m1"]


class Clock:
    """An SQS client that records its calls."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.calls: list[dict[str, Any]] = []

    def change_message_visibility(self, **request):
        self.calls.append(request)
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    "error",
    [
        None,
        refused("ChangeMessageVisibility", "InvalidParameterValue"),
        time_out("sqs"),
    ],
)
def test_a_deferred_record_is_delivered_again_after_its_delay(monkeypatch, error):
    clock = Clock(error)
    monkeypatch.setattr(sqs_consumer, "client", lambda _: clock)
    monkeypatch.setenv("QUEUE_URL", "https://queue")

    def process(body: dict, record: Record) -> None:
        if body["n"] == 1:
            raise RetryLater(16, "not there yet")

    assert run(process, record(1, {"n": 1}) | {"receiptHandle": "handle"}, record(2, {"n": 2})) == ["m1"]
    assert clock.calls == [{"QueueUrl": "https://queue", "ReceiptHandle": "handle", "VisibilityTimeout": 16}]


def test_a_requested_wait_is_limited_to_the_maximum_of_sqs(monkeypatch):
    clock = Clock(None)
    monkeypatch.setattr(sqs_consumer, "client", lambda _: clock)
    monkeypatch.setenv("QUEUE_URL", "https://queue")

    def process(body: dict, record: Record) -> None:
        raise RetryLater(86_400, "Retry-After: 86400")

    assert run(process, record(1, {"n": 1}) | {"receiptHandle": "handle"}) == ["m1"]
    assert [call["VisibilityTimeout"] for call in clock.calls] == [sqs_consumer.MAX_WAIT_SECONDS]


@pytest.mark.parametrize(
    "error",
    [
        time_out("dynamodb"),
        throttled("PutItem"),
        refused("SendMessage", "", 503),
        PublishFailed("1 events were refused by the bus"),
        ExternalUnavailable("commerce", "no answer"),
    ],
)
def test_a_record_waits_longer_and_longer_while_aws_does_not_answer(monkeypatch, error):
    """A queue's visibility timeout would use up the receives within minutes."""
    clock = Clock()
    monkeypatch.setattr(sqs_consumer, "client", lambda _: clock)
    monkeypatch.setenv("QUEUE_URL", "https://queue")

    def process(body: dict, record: Record) -> None:
        raise error

    fifth = record(1, {"n": 1}) | {"receiptHandle": "handle"}
    fifth["attributes"]["ApproximateReceiveCount"] = "5"
    assert run(process, fifth) == ["m1"]
    assert [call["VisibilityTimeout"] for call in clock.calls] == [32]


def test_waits_grow_to_a_maximum():
    assert [backoff_seconds(receives) for receives in (1, 2, 3, 8, 9, 500)] == [2, 4, 8, 256, 300, 300]


@pytest.mark.parametrize("error", [RuntimeError("broken"), RetryLater(60, "down")])
def test_the_age_of_a_message_that_stays_is_a_metric_of_its_queue(error, capsys, monkeypatch: pytest.MonkeyPatch):
    """SQS says nothing of the age of a message that was received more than three times."""
    monkeypatch.setenv("QUEUE_URL", "http://127.0.0.1/000000000000/work")
    monkeypatch.setattr(sqs_consumer, "client", lambda _: Mock())
    monkeypatch.setattr(sqs_consumer.time, "time", lambda: 1_000_900.0)

    def process(body: dict, record: Record) -> None:
        raise error

    old = record(1, {"n": 1}) | {"eventSourceARN": "arn:aws:sqs:eu-central-1:000000000000:work"}
    old["attributes"]["SentTimestamp"] = "1000000000"
    assert run(process, old) == ["m1"]
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "DeferredMessageAge" in line]
    assert [(metric["DeferredMessageAge"], metric["queue"]) for metric in metrics] == [([900.0], "work")]
    [directive] = metrics[0]["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "SetPieces"
    assert set(directive["Dimensions"][0]) == {"service", "queue"}
