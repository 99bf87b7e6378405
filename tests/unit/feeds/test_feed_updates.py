"""Batches of records: what is done, what waits, what is given up, and when the circuit opens."""

import importlib
import json
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from feeds.repository import circuit as circuit_module
from setpieces import aws, external, feed_accounts
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.unit.interleave import meanwhile
from tests.unit.lost_answers import repeat
from tests.unit.tables import mocked_table

CONTEXT = SimpleNamespace(
    function_name="update-platform",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:update-platform",
    aws_request_id="1",
)


@pytest.fixture
def cloud(monkeypatch):
    with mocked_table(monkeypatch, "accounts", "part"):
        sqs = boto3.client("sqs")
        urls = {name: sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("records", "dead")}
        settings = {
            "FEED_TYPE": "product",
            "ACCOUNTS_TABLE_NAME": "accounts",
            "QUEUE_URL": urls["records"],
            "DEAD_LETTER_QUEUE_URL": urls["dead"],
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        state = SimpleNamespace(urls=urls, answer=Answer(200, {"results": []}), asked=[], switched=[])

        def call(system, method, *path, body, timeout):
            state.asked.append((path, body))
            if isinstance(state.answer, Exception):
                raise state.answer
            return state.answer

        monkeypatch.setattr(external, "call", call)
        monkeypatch.setattr(circuit_module, "_mapping", lambda: "uuid-1")
        switch = SimpleNamespace(update_event_source_mapping=lambda **call: state.switched.append(call["Enabled"]))
        monkeypatch.setattr(circuit_module, "single_try_client", lambda service: switch)
        yield state


def message(number, **changes):
    record = {"sku": f"S-{number}", "version": 1, "name": "Tower"}
    facts = {"feed_id": "f", "type": "product", "run": "r", "number": number, "purge_at": 2_000_000_000}
    return facts | {"record": record} | changes


def deliver(app, *bodies, receive_count=1):
    records = [
        {
            "messageId": f"m{index}",
            "receiptHandle": f"h{index}",
            "body": body if isinstance(body, str) else json.dumps(body),
            "attributes": {"ApproximateReceiveCount": str(receive_count)},
        }
        for index, body in enumerate(bodies)
    ]
    return [failure["itemIdentifier"] for failure in app.handler({"Records": records}, CONTEXT)["batchItemFailures"]]


def dead(cloud):
    answer = boto3.client("sqs").receive_message(
        QueueUrl=cloud.urls["dead"], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )
    return [found["MessageAttributes"]["reason"]["StringValue"] for found in answer.get("Messages", [])]


@pytest.fixture
def app(cloud):
    module = importlib.import_module("feeds.handlers.update_platform")
    module._unanswered.clear()
    return module


def works(cloud: SimpleNamespace) -> bool:
    """The queue delivers, or a probe will see to it."""
    return cloud.switched[-1] or circuit_module.opened_at() != ""


def test_one_request_for_a_batch_and_an_account_of_every_record(cloud, app):
    results = [
        {"status": 201, "effect": "created"},
        {"status": 200},
        {"status": 409, "code": "STALE_VERSION"},
        {"status": 422, "code": "INVALID_REQUEST"},
        {"status": 503},
    ]
    cloud.answer = Answer(200, {"results": results})
    assert deliver(app, *map(message, range(5))) == ["m4"]
    [(path, body)] = cloud.asked
    assert path == ("product-updates", "product")
    assert [update["sku"] for update in body["updates"]] == [f"S-{number}" for number in range(5)]
    counted = feed_accounts.counts("r", 5)
    assert counted == {
        "updated": 1,
        "unchanged": 1,
        "stale": 1,
        "failed": 1,
        "reasons": {"INVALID_REQUEST": 1},
    }
    assert dead(cloud) == ["INVALID_REQUEST"]


@pytest.mark.parametrize("operation", ["SendMessage", "ChangeMessageVisibility"])
def test_a_record_that_cannot_be_buried_or_put_off_holds_up_no_other(cloud, app, monkeypatch, operation):
    """SQS does not answer about the second record; the first and the third were written and stay counted as written."""

    def lost() -> None:
        raise ReadTimeoutError(endpoint_url="https://sqs")

    second = {"SendMessage": {"status": 422, "code": "INVALID_REQUEST"}, "ChangeMessageVisibility": {"status": 503}}
    written = {"status": 201, "effect": "created"}
    cloud.answer = Answer(200, {"results": [written, second[operation], written]})
    meanwhile(monkeypatch, operation, lost)
    assert deliver(app, *map(message, range(3))) == ["m1"]
    assert feed_accounts.counts("r", 3) == {"updated": 2, "unchanged": 0, "stale": 0, "failed": 0, "reasons": {}}


@pytest.mark.parametrize(
    "bad",
    [
        "no json",
        "[]",
        json.dumps({"x": 1}),
        json.dumps(message(1, type="pricing")),
        json.dumps(message("1")),
        json.dumps(message(1, record=[])),
    ],
)
def test_what_is_no_message_is_put_aside_alone(cloud, app, bad):
    cloud.answer = Answer(200, {"results": [{"status": 200, "effect": "updated"}]})
    assert deliver(app, bad, message(2)) == []
    assert len(dead(cloud)) == 1
    assert feed_accounts.counts("r", 3)["updated"] == 1


@pytest.mark.parametrize(
    "answer",
    [
        ExternalUnavailable("commerce", "answered 503", retry_after=7),
        Answer(200, {"results": []}),
        Answer(200, "hello"),
        Answer(200, None),
    ],
)
def test_no_answer_puts_everything_off(cloud, app, answer):
    cloud.answer = answer
    assert deliver(app, message(0), message(1)) == ["m0", "m1"]
    assert feed_accounts.counts("r", 2)["failed"] == 0


def test_patience_ends_with_a_reason(cloud, app):
    cloud.answer = ExternalUnavailable("commerce", "answered 503")
    assert deliver(app, message(0), receive_count=15) == []
    assert dead(cloud) == ["PLATFORM_UNAVAILABLE"]
    assert feed_accounts.counts("r", 1)["reasons"] == {"PLATFORM_UNAVAILABLE": 1}


def test_who_was_given_up_and_then_redriven_is_updated(cloud, app):
    cloud.answer = Answer(200, {"results": [{"status": 422, "code": "INVALID_REQUEST"}]})
    deliver(app, message(0))
    cloud.answer = Answer(200, {"results": [{"status": 200, "effect": "updated"}]})
    deliver(app, message(0))
    cloud.answer = Answer(200, {"results": [{"status": 200}]})
    deliver(app, message(0))
    assert feed_accounts.counts("r", 1) == {"updated": 1, "unchanged": 0, "stale": 0, "failed": 0, "reasons": {}}


def test_the_circuit_opens_after_three_batches_without_an_answer_and_a_probe_closes_it(cloud, app, monkeypatch):
    probe = importlib.import_module("feeds.handlers.probe_platform")
    monkeypatch.setattr(probe, "WAIT_SECONDS", 0)
    cloud.answer = ExternalUnavailable("commerce", "answered 503")
    for _ in range(2):
        deliver(app, message(0))
    cloud.answer = Answer(200, {"results": [{"status": 500}]})
    deliver(app, message(0))
    cloud.answer = ExternalUnavailable("commerce", "answered 503")
    for _ in range(3):
        assert cloud.switched == []
        deliver(app, message(0))
    assert cloud.switched == [False]
    assert probe.handler({}, CONTEXT) == {"circuit": "open"}, "there is no message to try"
    boto3.client("sqs").send_message(QueueUrl=cloud.urls["records"], MessageBody=json.dumps(message(1)))
    assert probe.handler({}, CONTEXT) == {"circuit": "open"}
    boto3.client("sqs").send_message(QueueUrl=cloud.urls["records"], MessageBody=json.dumps(message(2)))
    cloud.answer = Answer(200, {"results": [{"status": 200, "effect": "updated"}]})
    assert probe.handler({}, CONTEXT) == {"circuit": "closed again"}
    assert cloud.switched == [False, True]
    assert feed_accounts.counts("r", 3)["updated"] == 1
    assert probe.handler({}, CONTEXT) == {"circuit": "closed"}


def test_failures_of_a_minute_ago_do_not_open_the_circuit(cloud, app, monkeypatch):
    """The process slept in between."""
    clock = [1_800_000_000.0]
    monkeypatch.setattr(app.time, "time", lambda: clock[0])
    cloud.answer = ExternalUnavailable("commerce", "answered 503")
    for later in (0, 1, 3600):
        clock[0] += later
        deliver(app, message(0))
    assert cloud.switched == []
    for _ in range(2):
        clock[0] += 1
        deliver(app, message(0))
    assert cloud.switched == [False]


def test_a_circuit_that_opens_while_it_is_closed_stays_open(cloud, app, monkeypatch):
    """An invocation that saw the outage is late: it opens the circuit when the probe has enabled the mapping already."""
    circuit_module.open_circuit("down")
    seen = circuit_module.opened_at()
    meanwhile(monkeypatch, "DeleteItem", lambda: circuit_module.open_circuit("down"))
    assert not circuit_module.close_circuit(seen)
    assert cloud.switched == [False, True, False]
    assert works(cloud)
    assert circuit_module.close_circuit(circuit_module.opened_at())
    assert cloud.switched[-1]


def test_a_circuit_that_is_closed_while_it_opens_is_closed_again_by_the_next_probe(cloud, app, monkeypatch):
    """The probe closes it before the mapping is disabled."""

    def probe() -> None:
        assert circuit_module.close_circuit(circuit_module.opened_at())

    meanwhile(monkeypatch, "PutItem", probe, after=True)
    circuit_module.open_circuit("down")
    assert cloud.switched == [True, False]
    assert works(cloud)


def test_a_circuit_is_closed_though_the_answer_was_lost(cloud, app, monkeypatch):
    circuit_module.open_circuit("down")
    repeat(monkeypatch, aws.client("dynamodb"), "delete_item")
    assert circuit_module.close_circuit(circuit_module.opened_at())
    assert circuit_module.opened_at() == ""


@pytest.mark.parametrize("code", ["ResourceInUseException", "TooManyRequestsException"])
def test_a_mapping_that_cannot_be_changed_now_leaves_the_circuit_to_the_next_probe(cloud, app, monkeypatch, code):
    def refuse(**call):
        raise ClientError({"Error": {"Code": code}}, "UpdateEventSourceMapping")

    circuit_module.open_circuit("down")
    monkeypatch.setattr(
        circuit_module, "single_try_client", lambda _: SimpleNamespace(update_event_source_mapping=refuse)
    )
    known = code == "ResourceInUseException"
    with nullcontext() if known else pytest.raises(ClientError):
        assert not circuit_module.close_circuit(circuit_module.opened_at())
    with nullcontext() if known else pytest.raises(ClientError):
        circuit_module.open_circuit("down")
    assert works(cloud)


def test_a_probe_asks_all_servers_of_the_queue(cloud, app, monkeypatch):
    """SQS asks all of them only if it may wait: a short poll can miss the few messages that there are."""
    probe = importlib.import_module("feeds.handlers.probe_platform")
    requests: list[dict[str, Any]] = []

    def receive_message(**request: Any) -> dict[str, Any]:
        requests.append(request)
        return {}

    monkeypatch.setattr(probe, "opened_at", lambda: "2026-01-01")
    monkeypatch.setattr(probe, "patient_client", lambda service: SimpleNamespace(receive_message=receive_message))
    probe.handler({}, CONTEXT)
    assert requests[0]["WaitTimeSeconds"] >= 1
