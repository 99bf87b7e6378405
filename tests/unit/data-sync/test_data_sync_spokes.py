"""One spoke and one event: what is sent, what is put off, what is rejected."""

import importlib
import json
from typing import Any

import boto3
import pytest
from moto import mock_aws

from data_sync import clients
from data_sync.domain import UNKNOWN_RECEIVES
from local.settings import ROOT
from setpieces import aws
from setpieces.errors import ExternalUnavailable
from setpieces.events import Event
from setpieces.external import Answer
from tests.lambda_events import CONTEXT

LOGIN, COMPLETE = ("CUSTOMER", "SESSION", "LOGIN"), ("CHECKOUT", "ORDER", "COMPLETE")
UPDATED = ("CUSTOMER", "PROFILE", "UPDATED")


class Platform:
    """Answers with ``answers`` one after the other, the last one from then on, and keeps what it was asked."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, str, Any]] = []

    def call(self, system, method, *path, body, **options):
        self.asked.append((system, method, "/".join(path), body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer, None)


@pytest.fixture
def queue(monkeypatch):
    """A queue and a dead-letter queue in moto; ``take()`` receives, ``dead()`` lists the reasons of dead letters."""
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        aws.client.cache_clear()
        sqs = boto3.client("sqs")
        url, dead = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("queue", "dead"))
        monkeypatch.setenv("QUEUE_URL", url)
        monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", dead)
        yield lambda: [
            message["MessageAttributes"]["reason"]["StringValue"]
            for message in sqs.receive_message(
                QueueUrl=dead, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            ).get("Messages", [])
        ]
        aws.client.cache_clear()


def deliver(monkeypatch, spoke: str, platform: Platform, receives: int = 1, event: dict | None = None) -> bool:
    """Whether the record is done, when it is delivered for the ``receives``-th time."""
    monkeypatch.setattr(clients.external, "call", platform.call)
    batch = json.loads((ROOT / "events" / "data-sync" / f"sync_{spoke}.json").read_text())
    batch["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(receives)
    if event:
        batch["Records"][0]["body"] = json.dumps(event)
    handler = importlib.import_module(f"data_sync.handlers.sync_{spoke}").handler
    return handler(batch, CONTEXT) == {"batchItemFailures": []}


@pytest.mark.parametrize(
    ("spoke", "system", "path"),
    [
        ("customer", "commerce", "customers/C100000001/syncs"),
        ("wishlist", "commerce", "customers/C100000001/syncs"),
        ("vip", "rewards", "members/C100000001/syncs"),
    ],
)
def test_the_platform_is_told_once(queue, monkeypatch, spoke, system, path):
    platform = Platform(201)
    assert deliver(monkeypatch, spoke, platform)
    ((to, method, at, body),) = platform.asked
    assert (to, method, at) == (system, "POST", path)
    assert body.get("data", body)["causation_id"].startswith("00000000-0000-4000-8000-")


def test_two_spokes_never_share_an_id(queue, monkeypatch):
    platform = Platform(201)
    login = json.loads(
        json.loads((ROOT / "events" / "data-sync" / "sync_wishlist.json").read_text())["Records"][0]["body"]
    )
    for spoke in ("customer", "vip", "wishlist"):
        assert deliver(monkeypatch, spoke, platform, event=login)
    assert len({body["event_id"] for _, _, _, body in platform.asked}) == 3


def test_a_repeat_says_the_same(queue, monkeypatch):
    platform = Platform(201, 200)
    assert deliver(monkeypatch, "vip", platform)
    assert deliver(monkeypatch, "vip", platform, receives=2)
    assert platform.asked[0] == platform.asked[1]


def sync_ids(monkeypatch, spoke: str, kind: tuple[str, str, str], *data: dict) -> set[str]:
    """The ids of the syncs that follow from one event with each of ``data``."""
    platform = Platform(201)
    for one in data:
        event = {"detail": Event(kind, {"customer_id": "C100000001", **one}).detail()}
        assert deliver(monkeypatch, spoke, platform, event=event)
    assert len(platform.asked) == len(data)
    return {body["event_id"] for _, _, _, body in platform.asked}


@pytest.mark.parametrize("spoke", ["customer", "vip"])
def test_an_order_is_synced_once_though_two_events_say_that_it_is_complete(queue, monkeypatch, spoke):
    one, other = {"order_number": "T100000001"}, {"order_number": "T100000002"}
    assert len(sync_ids(monkeypatch, spoke, COMPLETE, one, one, other)) == 2


def test_a_version_of_a_profile_is_synced_once_though_two_events_announce_it(queue, monkeypatch):
    assert len(sync_ids(monkeypatch, "customer", UPDATED, {"version": 3}, {"version": 3}, {"version": 4})) == 2


def test_every_sign_in_is_synced(queue, monkeypatch):
    assert len(sync_ids(monkeypatch, "vip", LOGIN, {}, {})) == 2


@pytest.mark.parametrize("answer", [ExternalUnavailable("commerce", "no answer", timed_out=True), 404])
def test_no_answer_and_unknown_customers_are_put_off(queue, monkeypatch, answer):
    assert not deliver(monkeypatch, "customer", Platform(answer))
    assert queue() == []


@pytest.mark.parametrize(("status", "reason"), [(404, "UNKNOWN_CUSTOMER"), (400, "SYNC_REFUSED")])
def test_what_no_retry_helps_is_dead_with_its_reason(queue, monkeypatch, status, reason):
    assert deliver(monkeypatch, "customer", Platform(status), receives=UNKNOWN_RECEIVES)
    assert queue() == [reason]


def test_a_deleted_customer_is_done(queue, monkeypatch):
    assert deliver(monkeypatch, "customer", Platform(410))
    assert queue() == []


def test_an_event_that_the_spoke_does_not_sync_is_dead_with_its_reason(queue, monkeypatch):
    order = json.loads(json.loads((ROOT / "events" / "data-sync" / "sync_vip.json").read_text())["Records"][0]["body"])
    platform = Platform(201)
    assert deliver(monkeypatch, "wishlist", platform, event=order)
    assert (queue(), platform.asked) == (["UNKNOWN_EVENT"], [])
