"""Both functions of shipping, from the queue record to their calls; every call fails once."""

import importlib
import json
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

from local.settings import ROOT
from setpieces import aws
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from shipping import clients
from tests.lambda_events import CONTEXT
from tests.unit.lost_answers import repeat
from tests.unit.shipping.samples import ORDER

DOWN = ExternalUnavailable("somebody", "no answer", timed_out=True)


def sample(function: str) -> dict:
    """The records of the repository's sample event."""
    return json.loads((ROOT / "events" / "shipping" / f"{function}.json").read_text())


def failures(answer: dict) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.fixture
def queues(monkeypatch):
    """A FIFO queue and a queue for dead letters; ``read(name)`` takes what is in one."""
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        aws.client.cache_clear()
        sqs = boto3.client("sqs")
        monkeypatch.setenv("QUEUE_URL", sqs.create_queue(QueueName="shipments")["QueueUrl"])
        urls = {
            "SHIPMENTS_QUEUE_URL": sqs.create_queue(QueueName="shipments.fifo", Attributes={"FifoQueue": "true"}),
            "DEAD_LETTER_QUEUE_URL": sqs.create_queue(QueueName="dead"),
        }
        for name, queue in urls.items():
            monkeypatch.setenv(name, queue["QueueUrl"])

        def read(name: str) -> list[dict]:
            return sqs.receive_message(
                QueueUrl=urls[name]["QueueUrl"],
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["All"],
            ).get("Messages", [])

        yield read
        aws.client.cache_clear()


@pytest.fixture
def world(monkeypatch):
    """Platform and SAP: ``answers`` is what they give or raise, ``calls`` what they were asked."""
    state = SimpleNamespace(answers={"commerce": Answer(200, ORDER), "sap": Answer(201, {})}, calls=[])

    def call(system, method, *path, timeout, body=None):
        state.calls.append((system, method, path, body))
        answer = state.answers[system]
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(clients.external, "call", call)
    return state


def ship(receive_count: int = 1) -> list[str]:
    event = sample("ship_order")
    # Rejects are parked in a standard queue here, which takes no message group.
    del event["Records"][0]["attributes"]["MessageGroupId"]
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(receive_count)
    return failures(importlib.import_module("shipping.handlers.ship_order").handler(event, CONTEXT))


def queue(event: dict) -> list[str]:
    return failures(importlib.import_module("shipping.handlers.queue_shipment").handler(event, CONTEXT))


def test_an_event_is_queued_in_the_group_of_its_order(queues):
    event = sample("queue_shipment")
    assert queue(event) == []
    (queued,) = queues("SHIPMENTS_QUEUE_URL")
    meta_data = json.loads(queued["Body"])["detail"]["event"]["meta_data"]
    assert queued["Body"] == event["Records"][0]["body"]
    assert queued["Attributes"]["MessageGroupId"] == "T100000001"
    assert queued["Attributes"]["MessageDeduplicationId"] == meta_data["event_id"]


def test_a_repeated_event_is_queued_once(queues):
    queue(sample("queue_shipment"))
    queue(sample("queue_shipment"))
    assert len(queues("SHIPMENTS_QUEUE_URL")) == 1


def test_an_event_is_queued_once_though_the_answer_of_sqs_was_lost(queues, monkeypatch):
    repeat(monkeypatch, aws.client("sqs"), "send_message")
    assert queue(sample("queue_shipment")) == []
    assert len(queues("SHIPMENTS_QUEUE_URL")) == 1


@pytest.mark.parametrize("body", ["{}", "[]", "x", '{"detail": {"event": {}}}'])
def test_what_is_no_event_is_parked(queues, body):
    event = sample("queue_shipment")
    event["Records"][0]["body"] = body
    assert queue(event) == []
    assert queues("SHIPMENTS_QUEUE_URL") == []
    assert len(queues("DEAD_LETTER_QUEUE_URL")) == 1


def test_an_event_that_cannot_be_queued_is_delivered_again(queues, monkeypatch):
    monkeypatch.setenv("SHIPMENTS_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/000000000000/gone.fifo")
    assert queue(sample("queue_shipment")) == ["m-1"]


def test_an_order_is_read_and_sent(queues, world):
    assert ship() == []
    read, sent = world.calls
    assert read[:3] == ("commerce", "GET", ("orders", "T100000001"))
    assert sent[:3] == ("sap", "PUT", ("shipments", "T100000001"))
    assert sent[3]["lines"] == [{"sku": "SP-1", "quantity": 2}]
    assert queues("DEAD_LETTER_QUEUE_URL") == []


@pytest.mark.parametrize(
    ("system", "answer"),
    [("commerce", DOWN), ("sap", DOWN), ("commerce", Answer(404, {})), ("commerce", Answer(200, None))],
)
def test_what_may_come_right_is_delivered_again(queues, world, system, answer):
    world.answers[system] = answer
    assert ship() == ["m-1"]
    assert queues("DEAD_LETTER_QUEUE_URL") == []


@pytest.mark.parametrize(
    ("system", "answer", "reason"),
    [
        ("commerce", Answer(404, {}), "UNKNOWN_ORDER"),
        ("commerce", Answer(200, ORDER | {"lines": []}), "INVALID_ORDER"),
        ("sap", Answer(409, {}), "DIFFERENT_SHIPMENT"),
        ("sap", Answer(400, {}), "SHIPMENT_REFUSED"),
    ],
)
def test_what_can_never_come_right_is_parked_with_its_reason(queues, world, system, answer, reason):
    world.answers[system] = answer
    assert ship(receive_count=clients.PATIENT_RECEIVES) == []
    (dead,) = queues("DEAD_LETTER_QUEUE_URL")
    assert dead["MessageAttributes"]["reason"]["StringValue"] == reason
    assert "T100000001" in dead["Body"]


def test_both_calls_fit_into_the_functions_time():
    assert clients.READ_SECONDS + clients.SEND_SECONDS <= 4
