"""Batches of records: what is done, what waits, what is given up, and when the circuit opens."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from feeds.handlers import probe_platform, update_platform
from feeds.repository import circuit
from setpieces import external, feed_accounts
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.faults import Faults, refused, time_out
from tests.service import Service


class Updates:
    """The function behind the queue of one type of feed; ``answer`` is the platform's, or what its client raises."""

    def __init__(self, service: Service, faults: Faults) -> None:
        self.service, self.faults = service, faults
        self.answer: Answer | Exception = Answer(200, {"results": []})
        self.requests: list[tuple[tuple[str, ...], Any]] = []
        self._switch = faults.answer("UpdateEventSourceMapping", lambda request: {})

    def platform(self, system: str, method: str, *path: str, body: Any, timeout: float) -> Answer:
        """As ``external.call``."""
        self.requests.append((path, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def deliver(self, *messages: Any, receive_count: int = 1) -> list[str]:
        return self.service.deliver("update_platform", *messages, receive_count=receive_count)

    def probe(self) -> str:
        """The circuit after the scheduled probe."""
        return str(self.service.invoke("probe_platform")["circuit"])

    def send(self, message: Any) -> None:
        """Put a message on the queue."""
        boto3.client("sqs").send_message(QueueUrl=self.service.name("RecordsQueue"), MessageBody=json.dumps(message))

    def dead_letters(self) -> list[str]:
        """The reasons of the dead letters, which are removed."""
        return [letter.attributes["reason"] for letter in self.service.messages("RecordsDeadLetters")]

    def refuse_switches(self, error: Exception) -> None:
        """The queue's event source mapping cannot be changed any more."""
        self._switch.__exit__()
        self.faults.fail("UpdateEventSourceMapping", error)

    @property
    def switches(self) -> list[bool]:
        """Each change of the queue's event source mapping: whether it was enabled."""
        return [request["Enabled"] for request in self.faults.requests("UpdateEventSourceMapping")]


@pytest.fixture
def updates(service: Callable[..., Service], faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Updates:
    made = Updates(service("feed-pipeline"), faults)
    monkeypatch.setattr(external, "call", made.platform)
    update_platform._unanswered.clear()
    return made


def message(number, **changes):
    record = {"sku": f"S-{number}", "version": 1, "name": "Tower"}
    facts = {"feed_id": "f", "type": "product", "run": "r", "number": number, "purge_at": 2_000_000_000}
    return facts | {"record": record} | changes


def works(updates: Updates) -> bool:
    """The queue delivers, or a probe will see to it."""
    return updates.switches[-1] or circuit.opened_at() != ""


def test_one_request_for_a_batch_and_an_account_of_every_record(updates: Updates):
    results = [
        {"status": 201, "effect": "created"},
        {"status": 200},
        {"status": 409, "code": "STALE_VERSION"},
        {"status": 422, "code": "INVALID_REQUEST"},
        {"status": 503},
    ]
    updates.answer = Answer(200, {"results": results})
    assert updates.deliver(*map(message, range(5))) == ["m4"]
    [(path, body)] = updates.requests
    assert path == ("product-updates", "product")
    assert [update["sku"] for update in body["updates"]] == [f"S-{number}" for number in range(5)]
    counted = feed_accounts.count_outcomes("r", 5)
    assert counted == {
        "updated": 1,
        "unchanged": 1,
        "stale": 1,
        "failed": 1,
        "reasons": {"INVALID_REQUEST": 1},
    }
    assert updates.dead_letters() == ["INVALID_REQUEST"]


@pytest.mark.parametrize("operation", ["SendMessage", "ChangeMessageVisibility"])
def test_a_record_that_cannot_be_buried_or_put_off_holds_up_no_other(updates: Updates, faults: Faults, operation):
    """SQS does not answer about the second record; the first and the third were written and stay counted as written."""

    second = {"SendMessage": {"status": 422, "code": "INVALID_REQUEST"}, "ChangeMessageVisibility": {"status": 503}}
    written = {"status": 201, "effect": "created"}
    updates.answer = Answer(200, {"results": [written, second[operation], written]})
    faults.fail(operation, time_out("sqs"), times=1)
    assert updates.deliver(*map(message, range(3))) == ["m1"]
    assert feed_accounts.count_outcomes("r", 3) == {
        "updated": 2,
        "unchanged": 0,
        "stale": 0,
        "failed": 0,
        "reasons": {},
    }


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
def test_what_is_no_message_is_put_aside_alone(updates: Updates, bad):
    updates.answer = Answer(200, {"results": [{"status": 200, "effect": "updated"}]})
    assert updates.deliver(bad, message(2)) == []
    assert len(updates.dead_letters()) == 1
    assert feed_accounts.count_outcomes("r", 3)["updated"] == 1


@pytest.mark.parametrize(
    "answer",
    [
        ExternalUnavailable("commerce", "answered 503", retry_after=7),
        Answer(200, {"results": []}),
        Answer(200, "hello"),
        Answer(200, None),
    ],
)
def test_no_answer_puts_everything_off(updates: Updates, answer):
    updates.answer = answer
    assert updates.deliver(message(0), message(1)) == ["m0", "m1"]
    assert feed_accounts.count_outcomes("r", 2)["failed"] == 0


def test_patience_ends_with_a_reason(updates: Updates):
    updates.answer = ExternalUnavailable("commerce", "answered 503")
    assert updates.deliver(message(0), receive_count=15) == []
    assert updates.dead_letters() == ["PLATFORM_UNAVAILABLE"]
    assert feed_accounts.count_outcomes("r", 1)["reasons"] == {"PLATFORM_UNAVAILABLE": 1}


def test_who_was_given_up_and_then_redriven_is_updated(updates: Updates):
    updates.answer = Answer(200, {"results": [{"status": 422, "code": "INVALID_REQUEST"}]})
    updates.deliver(message(0))
    updates.answer = Answer(200, {"results": [{"status": 200, "effect": "updated"}]})
    updates.deliver(message(0))
    updates.answer = Answer(200, {"results": [{"status": 200}]})
    updates.deliver(message(0))
    assert feed_accounts.count_outcomes("r", 1) == {
        "updated": 1,
        "unchanged": 0,
        "stale": 0,
        "failed": 0,
        "reasons": {},
    }


def test_three_unanswered_batches_open_the_circuit_and_a_probe_closes_it(
    updates: Updates, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(probe_platform, "WAIT_SECONDS", 0)
    updates.answer = ExternalUnavailable("commerce", "answered 503")
    for _ in range(2):
        updates.deliver(message(0))
    updates.answer = Answer(200, {"results": [{"status": 500}]})
    updates.deliver(message(0))
    updates.answer = ExternalUnavailable("commerce", "answered 503")
    for _ in range(3):
        assert updates.switches == []
        updates.deliver(message(0))
    assert updates.switches == [False]
    assert updates.probe() == "open", "there is no message to try"
    updates.send(message(1))
    assert updates.probe() == "open"
    updates.send(message(2))
    updates.answer = Answer(200, {"results": [{"status": 200, "effect": "updated"}]})
    assert updates.probe() == "closed again"
    assert updates.switches == [False, True]
    assert feed_accounts.count_outcomes("r", 3)["updated"] == 1
    assert updates.probe() == "closed"


def test_failures_of_a_minute_ago_do_not_open_the_circuit(updates: Updates, monkeypatch: pytest.MonkeyPatch):
    """The process slept in between."""
    clock = [1_800_000_000.0]
    monkeypatch.setattr(update_platform.time, "time", lambda: clock[0])
    updates.answer = ExternalUnavailable("commerce", "answered 503")
    for later in (0, 1, 3600):
        clock[0] += later
        updates.deliver(message(0))
    assert updates.switches == []
    for _ in range(2):
        clock[0] += 1
        updates.deliver(message(0))
    assert updates.switches == [False]


def test_a_circuit_that_opens_while_it_is_closed_stays_open(updates: Updates, faults: Faults):
    """An invocation that saw the outage is late: it opens the circuit when the probe has enabled the mapping already."""
    circuit.open_circuit("down")
    seen = circuit.opened_at()
    faults.meanwhile("DeleteItem", lambda: circuit.open_circuit("down"))
    assert not circuit.close_circuit(seen)
    assert updates.switches == [False, True, False]
    assert works(updates)
    assert circuit.close_circuit(circuit.opened_at())
    assert updates.switches[-1]


def test_a_circuit_that_is_closed_while_it_opens_is_closed_again_by_the_next_probe(updates: Updates, faults: Faults):
    """The probe closes it before the mapping is disabled."""

    def probe() -> None:
        assert circuit.close_circuit(circuit.opened_at())

    faults.meanwhile("PutItem", probe, after=True)
    circuit.open_circuit("down")
    assert updates.switches == [True, False]
    assert works(updates)


def test_a_circuit_is_closed_though_the_answer_was_lost(updates: Updates, faults: Faults):
    circuit.open_circuit("down")
    faults.lose_answer("DeleteItem")
    assert circuit.close_circuit(circuit.opened_at())
    assert circuit.opened_at() == ""


@pytest.mark.parametrize("code", ["ResourceInUseException", "TooManyRequestsException"])
def test_a_mapping_that_cannot_be_changed_now_leaves_the_circuit_to_the_next_probe(updates: Updates, code):
    circuit.open_circuit("down")
    updates.refuse_switches(refused("UpdateEventSourceMapping", code))
    known = code == "ResourceInUseException"
    with nullcontext() if known else pytest.raises(ClientError):
        assert not circuit.close_circuit(circuit.opened_at())
    with nullcontext() if known else pytest.raises(ClientError):
        circuit.open_circuit("down")
    assert circuit.opened_at()


def test_a_probe_asks_all_servers_of_the_queue(updates: Updates, faults: Faults):
    """SQS asks all of them only if it may wait: a short poll can miss the few messages that there are."""
    circuit.open_circuit("down")
    faults.answer("ReceiveMessage", lambda request: {})
    updates.probe()
    [request] = faults.requests("ReceiveMessage")
    assert request["WaitTimeSeconds"] >= 1
