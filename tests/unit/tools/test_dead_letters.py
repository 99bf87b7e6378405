"""References and reasons of dead letters, and redrives."""

import json
from collections.abc import Iterator
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

from tools.dead_letters import DeadLetter, messages_of, queues, redrive, source

SUBMIT = {"detail": {"event": {"meta_data": {"type": "CHECKOUT", "subtype": "ORDER", "status": "SUBMIT"}}}}
SUBMIT["detail"]["event"]["meta_data"]["correlation_id"] = "c-1"
SUBMIT["detail"]["event"]["data"] = {"order_number": "T100000001", "customer_id": "C100000001"}


def letter(body: object, **attributes: str) -> DeadLetter:
    text = body if isinstance(body, str) else json.dumps(body)
    values = {name: {"StringValue": value} for name, value in attributes.items()}
    return DeadLetter(
        "q-dlq", {"Body": text, "MessageAttributes": values, "Attributes": {"SentTimestamp": "1767268800000"}}
    )


def test_a_dead_letter_is_identified_by_its_order():
    dead = letter(SUBMIT)
    assert (dead.about, dead.event, dead.correlation_id) == ("T100000001", "CHECKOUT/ORDER/SUBMIT", "c-1")
    assert dead.sent == "2026-01-01 12:00:00"


@pytest.mark.parametrize(
    ("body", "about"),
    [
        ({"order_number": "T100000002"}, "T100000002"),
        ({"event": {"data": {"customer_id": "C100000002"}}}, "C100000002"),
        ({"Type": "Notification", "Message": json.dumps({"event": {"data": {"customer_id": "C3"}}})}, "C3"),
        ([{"customer_id": 3}, {"order_number": "T100000004"}], "T100000004"),
        ({"note": "{not json"}, ""),
        ("not json", ""),
        ("null", ""),
    ],
)
def test_any_message_with_a_reference_is_identified(body, about):
    assert letter(body).about == about


@pytest.mark.parametrize(
    ("attributes", "reason", "detail"),
    [
        ({"reason": "UNKNOWN_ORDER", "detail": "no such order"}, "UNKNOWN_ORDER", "no such order"),
        ({"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "denied"}, "NO_PERMISSIONS", "denied"),
        ({}, "RECEIVES_USED_UP", ""),
    ],
)
def test_the_reason_comes_from_the_function_the_bus_or_the_queue(attributes, reason, detail):
    dead = letter(SUBMIT, **attributes)
    assert (dead.reason, dead.detail) == (reason, detail)
    assert reason in str(dead)


@pytest.fixture
def shop() -> Iterator[SimpleNamespace]:
    with mock_aws():
        sqs = boto3.client("sqs", region_name="eu-central-1")
        for name in ("pay", "pay-dlq", "orders-submit", "orders-submit-parked", "other"):
            sqs.create_queue(QueueName=f"setpieces-local-{name}")
        for name in ("ship.fifo", "ship-dlq.fifo"):
            sqs.create_queue(QueueName=f"setpieces-local-{name}", Attributes={"FifoQueue": "true"})
        yield SimpleNamespace(stage="local", aws=lambda service: sqs)


def send(shop: SimpleNamespace, name: str, number: str, **more: str) -> str:
    url = shop.aws("sqs").get_queue_url(QueueName=f"setpieces-local-{name}")["QueueUrl"]
    shop.aws("sqs").send_message(QueueUrl=url, MessageBody=json.dumps({"order_number": number}), **more)
    return url


def test_a_redrive_sends_dead_letters_to_their_source_queue(shop):
    names = [url.rpartition("/")[2] for url in queues(shop)]
    assert [(name, source(name)) for name in names] == [
        ("setpieces-local-orders-submit-parked", "setpieces-local-orders-submit"),
        ("setpieces-local-pay-dlq", "setpieces-local-pay"),
        ("setpieces-local-ship-dlq.fifo", "setpieces-local-ship.fifo"),
    ]


@pytest.mark.parametrize(
    ("dead", "alive", "more"),
    [("pay-dlq", "pay", {}), ("ship-dlq.fifo", "ship.fifo", {"MessageGroupId": "T1", "MessageDeduplicationId": "d"})],
)
def test_a_redrive_moves_the_selected_messages(shop, dead, alive, more):
    url = send(shop, dead, "T1", **more)
    send(shop, dead, "T2", **{name: value + "2" for name, value in more.items()})
    assert redrive(shop, url, about="T1") == 1
    (moved,) = shop.aws("sqs").receive_message(
        QueueUrl=url.replace(dead, alive), MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"]
    )["Messages"]
    assert json.loads(moved["Body"]) == {"order_number": "T1"}
    assert moved["Attributes"].get("MessageGroupId") == more.get("MessageGroupId")
    with messages_of(shop, url) as letters:
        assert [letter.about for letter in letters] == ["T2"]
    assert redrive(shop, url) == 1
