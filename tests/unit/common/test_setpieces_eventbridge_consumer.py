"""Consumers of events: what of a newer release they read, what waits, and what a dead letter says."""

import json
from typing import Any

import pytest

from model.settings import ROOT
from setpieces import events, sqs_consumer
from setpieces.eventbridge_consumer import bus_handler
from tests.lambda_events import CONTEXT

SAMPLE = json.loads((ROOT / "events" / "bus" / "checkout.order.submit.json").read_text())["event"]


class Queue:
    """Records deferred messages, and the attributes of rejected ones."""

    def __init__(self) -> None:
        self.waits: list[int] = []
        self.dead: list[dict[str, str]] = []

    def change_message_visibility(self, *, VisibilityTimeout: int, **_: Any) -> None:
        self.waits.append(VisibilityTimeout)

    def send_message(self, *, MessageAttributes: dict[str, Any], **_: Any) -> None:
        self.dead.append({name: value["StringValue"] for name, value in MessageAttributes.items()})


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    queue = Queue()
    monkeypatch.setattr(sqs_consumer, "client", lambda _: queue)
    monkeypatch.setattr(events, "_SCHEMAS", ROOT / "schemas" / "events")
    monkeypatch.setenv("QUEUE_URL", "queue")
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", "dead")
    return queue


def deliver(body: Any, receives: int = 1) -> tuple[list[str], list[events.Event]]:
    """(ids of the records that come back, the events that were processed)."""
    processed: list[events.Event] = []
    handler = bus_handler(lambda event, record: processed.append(event))
    attributes = {"ApproximateReceiveCount": str(receives)}
    record = {"messageId": "m1", "body": json.dumps(body), "attributes": attributes, "receiptHandle": "handle"}
    response = handler({"Records": [record]}, CONTEXT)
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]], processed


def submit(meta_data: dict[str, Any] | None = None, **data: Any) -> dict[str, Any]:
    event = {"meta_data": SAMPLE["meta_data"] | (meta_data or {}), "data": SAMPLE["data"] | data}
    return {"detail": {"event": event}}


def test_an_event_of_a_newer_minor_version_is_processed(queue: Queue):
    back, (event,) = deliver(submit({"version": "1.1", "tenant": "x"}, channel="app"))
    assert (back, event.data["channel"], queue.dead) == ([], "app", [])


@pytest.mark.parametrize(("receives", "seconds"), [(1, 2), (5, 32)])
def test_an_event_of_another_major_version_waits_for_the_release_that_reads_it(queue: Queue, receives, seconds):
    assert deliver(submit({"version": "2"}, order_number=["another", "form"]), receives) == (["m1"], [])
    assert (queue.waits, queue.dead) == ([seconds], [])


SECRET = "tok_4242"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (submit(order_number=SECRET), "/event/data/order_number"),
        (submit({"event_id": SECRET}), "/event/meta_data/event_id"),
        (submit({"type": "CUSTOMER"}), "/event/meta_data/type"),
        (submit({"type": SECRET}), "/event/meta_data/type"),
        (submit({"type": [SECRET]}), "/event/meta_data"),
        ({"detail": {"event": {"meta_data": SAMPLE["meta_data"], SECRET: 1}}}, "/event/data"),
        ({"detail": SECRET}, "/event/meta_data"),
        ({SECRET: SECRET}, "/event/meta_data"),
    ],
)
def test_a_dead_letter_says_where_an_event_is_wrong_and_never_repeats_its_values(queue: Queue, body, pointer):
    assert deliver(body) == ([], [])
    assert queue.dead == [{"reason": "INVALID_EVENT", "detail": pointer, "message_id": "m1"}]
