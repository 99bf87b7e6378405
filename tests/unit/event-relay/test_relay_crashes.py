"""The relay against a queue and a bus that fail at any call: nothing lost, order kept, repeats recognisable."""

import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from event_relay import clients
from event_relay.handlers import relay_batch
from event_relay.workflow import parse_event, relay
from setpieces import events, sqs_consumer
from setpieces.sqs_consumer import Record
from tests.lambda_events import CONTEXT
from tests.present import present

AT = "2026-01-01T12:00:00+00:00"


class Crash(Exception):
    """The process ends here, as far as anyone can tell."""


class Cloud:
    """A FIFO queue, its dead-letter queue and a bus in memory; call ``crash_at`` fails, before its effect or after it."""

    def __init__(self, crash_at: int = -1, after: bool = False, refusals: list[set[int]] | None = None) -> None:
        self.crash_at, self.after, self.refusals, self.calls = crash_at, after, refusals or [], 0
        self.messages: list[dict[str, Any]] = []
        self.in_flight: set[str] = set()
        self.dead: dict[str, str] = {}
        self.bus: list[dict[str, Any]] = []

    def put(self, group: str, body: Any) -> None:
        message_id = f"m{len(self.messages)}"
        text = body if isinstance(body, str) else json.dumps(body)
        self.messages.append({"MessageId": message_id, "ReceiptHandle": message_id, "Body": text, "group": group})

    def new_run(self) -> None:
        """The visibility timeouts are over."""
        self.in_flight.clear()

    def _call(self, effect: Callable[[], Any]) -> Any:
        self.calls += 1
        if self.calls - 1 == self.crash_at and not self.after:
            raise Crash
        answer = effect()
        if self.calls - 1 == self.crash_at:
            raise Crash
        return answer

    def receive_message(self, *, MaxNumberOfMessages: int, **_: Any) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            locked = {message["group"] for message in self.messages if message["MessageId"] in self.in_flight}
            free = [message for message in self.messages if message["group"] not in locked][:MaxNumberOfMessages]
            self.in_flight |= {message["MessageId"] for message in free}
            return {"Messages": [m | {"Attributes": {"MessageGroupId": m["group"]}} for m in free]}

        return self._call(effect)

    def delete_message_batch(self, *, Entries: list[dict[str, str]], **_: Any) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            gone = {entry["ReceiptHandle"] for entry in Entries}
            self.messages = [message for message in self.messages if message["MessageId"] not in gone]
            return {}

        return self._call(effect)

    def send_message(self, *, MessageDeduplicationId: str, MessageAttributes: dict[str, Any], **_: Any) -> None:
        reason = MessageAttributes["reason"]["StringValue"]
        self._call(lambda: self.dead.setdefault(MessageDeduplicationId, reason))

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        def effect() -> dict[str, Any]:
            refused = self.refusals.pop(0) if self.refusals else set()
            self.bus += [json.loads(entry["Detail"])["event"] for n, entry in enumerate(Entries) if n not in refused]
            return {"Entries": [{"ErrorCode": "x"} if n in refused else {"EventId": "e"} for n in range(len(Entries))]}

        return self._call(effect)


def order(number: int) -> dict[str, Any]:
    return {
        "kind": "order",
        "id": f"T{number:09}",
        "update": "complete",
        "customer_id": f"C{number}",
        "occurred_at": AT,
    }


def customer(name: str, version: int) -> dict[str, Any]:
    return {"kind": "customer", "id": name, "update": "updated", "version": version, "occurred_at": AT}


@pytest.fixture
def use(monkeypatch):
    """Give the relay a cloud."""
    for name in ("EVENT_BUS_NAME", "EVENT_BUS_ARN", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL"):
        monkeypatch.setenv(name, name.lower())

    def give(cloud: Cloud) -> Cloud:
        for module in (events, sqs_consumer, clients):
            monkeypatch.setattr(module, "client", lambda service: cloud)
        return cloud

    return give


def fill(cloud: Cloud) -> None:
    """Two batches: seven orders, a customer with eight updates of which two are poison, and our own echo."""
    for number in range(1, 8):
        cloud.put(f"T{number:09}", order(number))
    for version in range(1, 4):
        cloud.put("anna", customer("anna", version))
    cloud.put("anna", "no json")
    cloud.put("anna", customer("anna", 4))
    cloud.put("anna", customer("anna", 5) | {"update": "renamed"})
    for version in range(6, 9):
        cloud.put("anna", customer("anna", version))
    cloud.put("bert", customer("bert", 1) | {"origin": "data-sync"})


def drain_until_empty(cloud: Cloud) -> int:
    """Runs needed, each after the visibility timeouts of the one before."""
    for run in range(1, 20):
        cloud.new_run()
        try:
            clients.drain(lambda: 60)
        except Crash:
            continue
        if not cloud.messages:
            return run
    raise AssertionError("the queue does not get empty")


def told(cloud: Cloud) -> dict[str, list[Any]]:
    """What each order or customer was told on the bus, first mentions only, in order."""
    found: dict[str, list[Any]] = defaultdict(list)
    seen = set()
    for event in cloud.bus:
        if event["meta_data"]["event_id"] not in seen:
            seen.add(event["meta_data"]["event_id"])
            data = event["data"]
            found[data.get("order_number", data["customer_id"])].append(data.get("version", "complete"))
    return dict(found)


EVERYTHING = {f"T{number:09}": ["complete"] for number in range(1, 8)} | {"anna": [1, 2, 3, 4, 6, 7, 8]}
# Two batches, the first in 3 rounds and the second in 4, two poison messages, and the empty answer that ends the run.
CALLS = (1 + 3 + 1) + (1 + 2 + 4 + 1) + 1
DEAD = {"m10": "INVALID_JSON", "m12": "UNKNOWN_UPDATE"}


def test_a_full_queue_is_drained_in_one_run(use):
    cloud = use(Cloud())
    fill(cloud)
    assert drain_until_empty(cloud) == 1
    assert (told(cloud), cloud.dead) == (EVERYTHING, DEAD)
    assert (len(cloud.bus), cloud.calls) == (14, CALLS)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("crash_at", range(CALLS))
def test_a_crash_at_any_call_loses_nothing_and_repeats_the_same_event(use, crash_at, after):
    cloud = use(Cloud(crash_at, after))
    fill(cloud)
    runs = drain_until_empty(cloud)
    assert cloud.calls > crash_at
    assert runs == 2
    assert (told(cloud), cloud.dead) == (EVERYTHING, DEAD)
    by_id = defaultdict(set)
    for event in cloud.bus:
        by_id[event["meta_data"]["event_id"]].add(json.dumps(event, sort_keys=True))
    assert all(len(same) == 1 for same in by_id.values())


def test_only_what_the_bus_acknowledged_is_deleted_and_the_rest_of_its_group_waits(use):
    cloud = use(Cloud(refusals=[{0}, {0}, {0}]))
    for version in (1, 2):
        cloud.put("anna", customer("anna", version))
        cloud.put("bert", customer("bert", version))
    clients.drain(lambda: 60)
    assert [json.loads(message["Body"])["id"] for message in cloud.messages] == ["anna", "anna"]
    assert told(cloud) == {"bert": [1, 2]}
    drain_until_empty(cloud)
    assert told(cloud) == {"bert": [1, 2], "anna": [1, 2]}


@pytest.mark.parametrize("meets_at", range(CALLS))
def test_a_second_run_at_any_call_of_the_first_loses_doubles_and_reorders_nothing(use, meets_at):
    cloud = use(Cloud())
    fill(cloud)
    alone = cloud._call

    def call(effect: Callable[[], Any]) -> Any:
        if cloud.calls == meets_at:
            cloud._call = alone
            clients.drain(lambda: 60)
        return alone(effect)

    cloud._call = call
    clients.drain(lambda: 60)
    assert not cloud.messages
    assert (told(cloud), cloud.dead) == (EVERYTHING, DEAD)
    assert len(cloud.bus) == 14


def test_no_batch_is_begun_when_the_time_is_nearly_over(use):
    cloud = use(Cloud())
    fill(cloud)
    left = iter([60, 5])
    clients.drain(lambda: next(left))
    assert len(cloud.messages) == 7


def test_a_message_that_was_not_deleted_is_no_failure(use, monkeypatch):
    cloud = use(Cloud())
    cloud.put("anna", customer("anna", 1))
    failed = {"Failed": [{"Id": "0", "Code": "InternalError"}]}
    monkeypatch.setattr(cloud, "delete_message_batch", lambda **_: failed)
    assert clients.drain(lambda: 60) == 1


def record(message_id: str, body: dict[str, Any], group: str) -> Record:
    return Record(message_id, 1, group, {}, json.dumps(body), "handle")


def test_the_same_update_is_always_the_same_event():
    one, again, redriven = (present(parse_event(record(name, order(1), "g"))) for name in ("m1", "m1", "m2"))
    other = present(parse_event(record("m1", order(2), "g")))
    assert one == again
    assert one.event_id == redriven.event_id
    assert one.event_id != other.event_id
    correlated = present(parse_event(record("m1", order(1) | {"correlation_id": "checkout-1"}, "g")))
    assert correlated.correlation_id == "checkout-1"


def test_a_profile_that_the_shop_changed_is_the_event_that_the_shop_publishes():
    event = present(parse_event(record("m1", customer("anna", 3) | {"origin": "shop"}, "anna")))
    assert event.event_id == events.profile_updated_id("anna", 3)


def test_what_fits_no_schema_is_dead(use):
    cloud = use(Cloud())
    assert relay([record("m1", order(1) | {"id": "nonsense"}, "g")]) == {"m1"}
    assert cloud.dead == {"m1": "INVALID_EVENT"}


def test_as_an_event_source_the_queue_gets_back_what_is_not_done(use):
    use(Cloud(refusals=[{0}, {0}, {0}]))
    bodies = [customer("anna", 1), customer("bert", 1), customer("anna", 2)]
    batch = [
        {
            "messageId": f"m{n}",
            "receiptHandle": "h",
            "body": json.dumps(body),
            "attributes": {"MessageGroupId": body["id"]},
        }
        for n, body in enumerate(bodies)
    ]
    answer = relay_batch.handler({"Records": batch}, CONTEXT)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}, {"itemIdentifier": "m2"}]}
