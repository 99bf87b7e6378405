"""What is read of SQS and of the bus's log (moto), and what is told of it."""

import importlib
import json
import time
from typing import Any

import boto3
import pytest
from moto import mock_aws

from local.settings import ROOT
from operations import clients, repository
from operations.repository import MOST, last_events, shown
from setpieces import aws
from tests.lambda_events import CONTEXT

DETAIL = json.loads((ROOT / "events" / "bus" / "checkout.order.submit.json").read_text())
LOG = "/aws/events/checkout-bus"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch):
    for name, value in {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "STAGE": "local",
        "LOG_GROUP_NAME": LOG,
    }.items():
        monkeypatch.setenv(name, value)
    aws.client.cache_clear()
    with mock_aws():
        logs = boto3.client("logs")
        logs.create_log_group(logGroupName=LOG)
        logs.create_log_stream(logGroupName=LOG, logStreamName="s")
        yield
    aws.client.cache_clear()


def line(number: int, correlation_id: str = "c-1", **data: Any) -> str:
    """An event as EventBridge logs it."""
    meta_data = DETAIL["event"]["meta_data"] | {
        "event_id": f"e-{number:04}",
        "correlation_id": correlation_id,
        "occurred_at": f"2026-01-01T12:{number // 60:02}:{number % 60:02}.000+00:00",
    }
    event = {"meta_data": meta_data, "data": DETAIL["event"]["data"] | data}
    return json.dumps({"source": "service-order-submit-local", "detail": {"event": event}})


def logged(*lines: str, minutes_ago: int = 0) -> None:
    at = int((time.time() - 60 * minutes_ago) * 1000)
    entries = [{"timestamp": at, "message": each} for each in lines]
    boto3.client("logs").put_log_events(logGroupName=LOG, logStreamName="s", logEvents=entries)


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["event_id"] for event in events]


def test_the_last_events_come_first(cloud):
    logged(*(line(number) for number in range(3)))
    events = last_events()
    assert ids(events) == ["e-0002", "e-0001", "e-0000"]
    assert events[0] == {
        "event_id": "e-0002",
        "event": "CHECKOUT/ORDER/SUBMIT",
        "source": "service-order-submit-local",
        "correlation_id": "c-1",
        "occurred_at": "2026-01-01T12:00:02.000+00:00",
        "data": DETAIL["event"]["data"],
    }


def test_older_ones_are_looked_for_only_if_the_last_are_few(cloud):
    logged(line(1), minutes_ago=600)
    logged(line(2), minutes_ago=5)
    assert ids(last_events()) == ["e-0002", "e-0001"]
    logged(*(line(number) for number in range(100, 100 + MOST)))
    assert ids(last_events()) == [f"e-{number:04}" for number in reversed(range(100, 100 + MOST))]


def test_an_event_that_was_told_again_is_one(cloud):
    logged(line(1), line(1))
    assert ids(last_events()) == ["e-0001"]


def test_one_checkout_alone(cloud):
    logged(line(1, "mine"), line(2, "other"), line(3, "other", note="mine"))
    assert ids(last_events("mine")) == ["e-0001"]
    assert last_events("nobody") == []


@pytest.mark.parametrize("text", ["", "no json", "[]", "null", "{}", '{"detail": {"event": {"meta_data": 1}}}', '"x"'])
def test_what_is_no_event_of_the_shop_is_left_out(cloud, text: str):
    assert shown(text) is None
    logged(line(1), *([text] if text else []))
    assert ids(last_events()) == ["e-0001"]


def call(function: str, **query: str) -> tuple[int, dict[str, Any]]:
    event = {"httpMethod": "GET", "path": "/v1/x", "headers": {}, "queryStringParameters": query, "requestContext": {}}
    answer = importlib.import_module(f"operations.handlers.{function}").handler(event, CONTEXT)
    return answer["statusCode"], json.loads(answer["body"])


@pytest.mark.parametrize("correlation_id", ['"', "a b", "x" * 129, "{ $.a = 1 }", "ä"])
def test_what_is_no_correlation_id_never_becomes_a_pattern(cloud, correlation_id: str):
    assert call("list_events", correlation_id=correlation_id)[0] == 400


def test_queues_of_this_stage_and_what_waits_in_them(cloud):
    sqs = boto3.client("sqs")
    urls = {
        name: sqs.create_queue(QueueName=name)["QueueUrl"]
        for name in (
            "setpieces-local-orders-submit",
            "setpieces-local-orders-submit-dlq",
            "setpieces-dev-orders-submit",
        )
    }
    for url in urls.values():
        for _ in range(2):
            sqs.send_message(QueueUrl=url, MessageBody="m")
    sqs.receive_message(QueueUrl=urls["setpieces-local-orders-submit"], MaxNumberOfMessages=1)
    status, body = call("show_architecture")
    assert status == 200
    [orders] = [service for service in body["services"] if service["name"] == "orders"]
    assert orders["queues"] == [
        {"name": "orders-submit", "waiting": 1, "in_work": 1, "delayed": 0, "dead_letters": False},
        {"name": "orders-submit-dlq", "waiting": 2, "in_work": 0, "delayed": 0, "dead_letters": True},
    ]
    assert sum(len(service["queues"]) for service in body["services"]) == 2


def test_a_queue_that_is_gone_by_now_is_left_out(cloud, monkeypatch):
    gone = "https://sqs.eu-central-1.amazonaws.com/123456789012/setpieces-local-gone"
    monkeypatch.setattr(clients, "_urls", lambda: [gone])
    assert clients.queues() == []


def test_a_log_is_not_read_without_end(cloud, monkeypatch):
    monkeypatch.setattr(repository, "MOST_READ", 2)
    monkeypatch.setattr(repository, "WINDOWS", (1,))
    logged(*(line(number) for number in range(10)))
    assert len(last_events()) == 2
