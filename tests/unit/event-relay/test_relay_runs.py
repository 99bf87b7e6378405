"""The relay while SQS and EventBridge fail: no update is lost, groups keep their order, repeated events have the same id."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
import time_machine
from botocore.exceptions import ClientError
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

from event_relay import clients
from event_relay.events import build_event
from model.settings import REGION
from setpieces import events
from setpieces.sqs_consumer import Record
from tests.faults import Crash, Fault, Faults
from tests.lambda_events import sqs_record
from tests.present import present
from tests.service import Service

AT = "2026-01-01T12:00:00+00:00"
# Of the queue, in seconds.
VISIBILITY_TIMEOUT = 60


def order(number: int) -> dict[str, Any]:
    order_number, customer_id = f"T{number:09}", f"C{number}"
    return {
        "kind": "order",
        "id": order_number,
        "update": "complete",
        "customer_id": customer_id,
        "occurred_at": AT,
    }


def customer(name: str, version: int) -> dict[str, Any]:
    return {"kind": "customer", "id": name, "update": "updated", "version": version, "occurred_at": AT}


class Relay:
    """The service as deployed, with a queue that receives every event of the bus."""

    def __init__(self, service: Service, clock: time_machine.Traveller) -> None:
        self.service, self.clock = service, clock
        queue_name = service.name("UpdatesQueue").rpartition("/")[2]
        self._queue = sqs_backends[DEFAULT_ACCOUNT_ID][REGION].queues[queue_name]
        bus = service.environment("relay_events")["EVENT_BUS_NAME"]
        sqs, rules = boto3.client("sqs"), boto3.client("events")
        self._events_url = sqs.create_queue(QueueName="events", Attributes={"VisibilityTimeout": "3600"})["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self._events_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        rules.put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps({"source": [{"prefix": ""}]}))
        rules.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "events", "Arn": arn}])
        self._events: list[dict[str, Any]] = []

    def send(self, *updates: dict[str, Any]) -> None:
        """Send at most ten updates as the platform does, with the id as the group."""
        entries = [
            {"Id": str(index), "MessageBody": json.dumps(update), "MessageGroupId": update["id"]}
            for index, update in enumerate(updates)
        ]
        boto3.client("sqs").send_message_batch(QueueUrl=self.service.name("UpdatesQueue"), Entries=entries)

    def send_two_batches(self) -> None:
        """Seven orders, and nine updates of anna and bert: two are invalid, and the shop caused one."""
        self.send(*(order(number) for number in range(1, 8)), *(customer("anna", version) for version in range(1, 4)))
        self.send(
            customer("anna", 4) | {"occurred_at": "yesterday"},
            customer("anna", 4),
            customer("anna", 5) | {"update": "renamed"},
            *(customer("anna", version) for version in range(6, 9)),
            customer("bert", 1) | {"origin": "data-sync"},
        )

    def run(self) -> int:
        """One run of the schedule, after the visibility timeouts of the one before; the number of updates done."""
        self.clock.shift(VISIBILITY_TIMEOUT + 1)
        # moto would deliver the last message of a group first: it takes those whose time-out is over for messages in flight.
        self._queue.pending_messages.clear()
        done: int = self.service.invoke("relay_events")["done"]
        return done

    def run_until_empty(self) -> int:
        """The number of runs that were necessary."""
        for number in range(1, 20):
            try:
                self.run()
            except (Crash, ClientError):
                continue
            if not self.number_of_updates():
                return number
        raise AssertionError("the queue is not empty")

    def number_of_updates(self) -> int:
        """The messages on the queue, in flight or not."""
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        url = self.service.name("UpdatesQueue")
        attributes = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]
        return sum(int(attributes[name]) for name in counts)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events that the bus has received, in their order."""
        sqs = boto3.client("sqs")
        while messages := sqs.receive_message(QueueUrl=self._events_url, MaxNumberOfMessages=10).get("Messages"):
            self._events += [json.loads(message["Body"])["detail"]["event"] for message in messages]
        return self._events

    def published(self) -> dict[str, list[Any]]:
        """{order number or customer id: what its events report}, in their order and without repeated ids."""
        reports: dict[str, list[Any]] = defaultdict(list)
        for event in {event["meta_data"]["event_id"]: event for event in self.events[::-1]}.values():
            data = event["data"]
            reports[data.get("order_number", data["customer_id"])].insert(0, data.get("version", "complete"))
        return dict(reports)

    def dead_letters(self) -> list[tuple[Any, str]]:
        """(body, reason) of each."""
        messages = self.service.messages("UpdatesDeadLetters")
        return [(message.json(), message.attributes["reason"]) for message in messages]


@pytest.fixture
def relay(service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    # moto waits in real time.
    monkeypatch.setattr(clients, "WAIT_SECONDS", 0)
    with time_machine.travel(timedelta(0)) as clock:
        yield Relay(service("event-relay"), clock)


def refuse_first_entry(request: Any) -> dict[str, Any]:
    """The response of PutEvents if the bus refuses the first entry and publishes the others."""
    others = request["Entries"][1:]
    response = boto3.client("events").put_events(Entries=others) if others else {"Entries": []}
    return {"Entries": [{"ErrorCode": "ThrottlingException"}, *response["Entries"]]}


ALL_PUBLISHED = {f"T{number:09}": ["complete"] for number in range(1, 8)} | {"anna": [1, 2, 3, 4, 6, 7, 8]}
ALL_REJECTED = [
    (customer("anna", 4) | {"occurred_at": "yesterday"}, "INVALID_UPDATE"),
    (customer("anna", 5) | {"update": "renamed"}, "UNKNOWN_UPDATE"),
]
# Of one run with ``send_two_batches``: the first batch has three rounds, the second one two invalid updates and four rounds.
CALLS = [
    *("ReceiveMessage", "PutEvents", "PutEvents", "PutEvents", "DeleteMessageBatch"),
    *("ReceiveMessage", "SendMessage", "SendMessage", "PutEvents", "PutEvents", "PutEvents", "PutEvents"),
    *("DeleteMessageBatch", "ReceiveMessage"),
]


def test_one_run_drains_the_queue(relay: Relay, faults: Faults):
    relay.send_two_batches()
    faults.restart()
    assert relay.run() == 17
    assert faults.calls == CALLS
    assert relay.number_of_updates() == 0
    assert (relay.published(), relay.dead_letters()) == (ALL_PUBLISHED, ALL_REJECTED)
    assert len(relay.events) == 14


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("number", range(len(CALLS)), ids=[f"{number} {name}" for number, name in enumerate(CALLS)])
def test_a_failure_at_any_call_loses_no_update_and_repeats_the_same_event(
    relay: Relay, faults: Faults, number: int, fault: Fault
):
    relay.send_two_batches()
    faults.restart({number: fault})
    assert relay.run_until_empty() <= 2
    assert len(faults.calls) > number
    assert (relay.published(), relay.dead_letters()) == (ALL_PUBLISHED, ALL_REJECTED)
    repeats = defaultdict(set)
    for event in relay.events:
        repeats[event["meta_data"]["event_id"]].add(json.dumps(event, sort_keys=True))
    assert {len(texts) for texts in repeats.values()} == {1}


def test_a_refused_event_stays_on_the_queue_and_blocks_its_group(relay: Relay, faults: Faults):
    for version in (1, 2):
        relay.send(customer("anna", version), customer("bert", version))
    with faults.respond("PutEvents", refuse_first_entry, times=events.MAX_TRIES):
        assert relay.run() == 2
    assert relay.published() == {"bert": [1, 2]}
    assert relay.number_of_updates() == 2
    relay.run_until_empty()
    assert relay.published() == {"bert": [1, 2], "anna": [1, 2]}


@pytest.mark.parametrize("number", range(len(CALLS)), ids=[f"{number} {name}" for number, name in enumerate(CALLS)])
def test_a_second_run_at_the_same_time_loses_repeats_and_reorders_no_event(relay: Relay, faults: Faults, number: int):
    relay.send_two_batches()
    operation = CALLS[number]
    faults.meanwhile(operation, lambda: relay.service.invoke("relay_events"), skip=CALLS[:number].count(operation))
    relay.run()
    assert relay.number_of_updates() == 0
    assert (relay.published(), relay.dead_letters()) == (ALL_PUBLISHED, ALL_REJECTED)
    assert len(relay.events) == 14


def test_no_batch_is_started_when_the_time_is_nearly_over(relay: Relay):
    relay.send_two_batches()
    remaining_seconds = iter([60.0, 5.0])
    assert relay.service.invoke("relay_events", seconds=lambda: next(remaining_seconds)) == {"done": 10}
    assert relay.number_of_updates() == 7


def test_a_message_that_sqs_does_not_delete_is_no_failure(relay: Relay, faults: Faults):
    relay.send(customer("anna", 1))
    faults.respond("DeleteMessageBatch", lambda _: {"Failed": [{"Id": "0", "Code": "InternalError"}]})
    assert relay.run() == 1
    assert relay.number_of_updates() == 1


# --- events of single messages ---


def record(body: dict[str, Any], message_id: str = "m1") -> Record:
    return Record(message_id, 1, "g", {}, json.dumps(body), "handle")


def test_an_update_has_the_same_event_whenever_it_is_delivered():
    event, again, redriven = (present(build_event(record(order(1), name))) for name in ("m1", "m1", "m2"))
    assert event == again
    assert event.event_id == redriven.event_id
    assert event.event_id != present(build_event(record(order(2)))).event_id


def test_an_event_has_the_correlation_id_of_its_update_or_the_id_of_its_message():
    assert present(build_event(record(order(1) | {"correlation_id": "checkout-1"}))).correlation_id == "checkout-1"
    assert present(build_event(record(order(1), "m1"))).correlation_id == "m1"


def test_a_profile_that_the_shop_changed_has_the_event_id_that_the_shop_uses():
    event = present(build_event(record(customer("anna", 3) | {"origin": "shop"})))
    assert event.event_id == events.profile_updated_id("anna", 3)


# --- the queue as an event source ---


def batch(*updates: dict[str, Any]) -> dict[str, Any]:
    messages = enumerate(updates)
    return {"Records": [sqs_record(body, message_id=f"m{n}", group_id=body["id"]) for n, body in messages]}


def test_a_batch_returns_the_messages_whose_events_were_refused(relay: Relay, faults: Faults):
    faults.respond("PutEvents", refuse_first_entry, times=events.MAX_TRIES)
    updates = batch(customer("anna", 1), customer("bert", 1), customer("anna", 2))
    result = relay.service.invoke("relay_batch", updates)
    assert result == {"batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m2"}]}
    assert relay.published() == {"bert": [1]}


def test_an_update_that_fits_no_event_schema_is_a_dead_letter(relay: Relay):
    update = order(1) | {"id": "nonsense"}
    assert relay.service.invoke("relay_batch", batch(update)) == {"batchItemFailures": []}
    assert relay.dead_letters() == [(update, "INVALID_EVENT")]
