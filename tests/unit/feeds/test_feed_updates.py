"""Updating the platform by batches of records, and the circuit breaker."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from feeds.clients import records_queue
from feeds.handlers import update_platform
from feeds.repository import circuit, record_outcomes
from feeds.workflow.circuit import close_circuit, open_circuit
from setpieces import external
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.faults import Faults, refused, time_out
from tests.service import Service


class Updates:
    """The functions of one type of feed; ``answer`` is the platform's, or the error that its client raises."""

    def __init__(self, service: Service, faults: Faults) -> None:
        self.service, self.faults = service, faults
        self.answer: Answer | Exception = Answer(200, {"results": []})
        self.requests: list[tuple[tuple[str, ...], Any]] = []
        self._mapping_answer = faults.respond("UpdateEventSourceMapping", lambda request: {})

    def call_platform(self, system: str, method: str, *path: str, body: Any, timeout: float) -> Answer:
        """Stands in for ``external.call``."""
        self.requests.append((path, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def deliver(self, *messages: Any, receive_count: int = 1) -> list[str]:
        """Deliver messages in one batch; the ids of those to be delivered again."""
        return self.service.deliver("update_platform", *messages, receive_count=receive_count)

    def probe(self) -> str:
        """The circuit after the scheduled probe."""
        return str(self.service.invoke("probe_platform")["circuit"])

    def send(self, message: Any) -> None:
        """Put a message on the queue."""
        boto3.client("sqs").send_message(QueueUrl=self.service.name("RecordsQueue"), MessageBody=json.dumps(message))

    def dead_letters(self) -> list[str]:
        """Receive the dead letters; their reasons."""
        return [letter.attributes["reason"] for letter in self.service.messages("RecordsDeadLetters")]

    def fail_mapping_changes(self, error: Exception) -> None:
        """Raise ``error`` for each further change of the queue's event source mapping."""
        self._mapping_answer.__exit__()
        self.faults.fail("UpdateEventSourceMapping", error)

    @property
    def mapping_changes(self) -> list[bool]:
        """The changes of the queue's event source mapping so far: True for each that enabled it."""
        return [request["Enabled"] for request in self.faults.requests("UpdateEventSourceMapping")]


@pytest.fixture
def updates(service: Callable[..., Service], faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Updates:
    functions = Updates(service("feed-pipeline"), faults)
    monkeypatch.setattr(external, "call", functions.call_platform)
    update_platform._failed_at.clear()
    return functions


def message(number, **changes):
    """The message for a record, with ``changes`` of its members."""
    record = {"sku": f"S-{number}", "version": 1, "name": "Tower"}
    members = {"feed_id": "f", "type": "product", "run": "r", "number": number, "purge_at": 2_000_000_000}
    return members | {"record": record} | changes


def is_recoverable(updates: Updates) -> bool:
    """Whether the queue delivers, or a probe will enable it."""
    return updates.mapping_changes[-1] or circuit.opened_at() != ""


def test_a_batch_is_one_request_and_every_record_has_an_outcome(updates: Updates):
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
    counts = record_outcomes.count("r", 5)
    assert counts == {
        "updated": 1,
        "unchanged": 1,
        "stale": 1,
        "failed": 1,
        "reasons": {"INVALID_REQUEST": 1},
    }
    assert updates.dead_letters() == ["INVALID_REQUEST"]


@pytest.mark.parametrize("operation", ["SendMessage", "ChangeMessageVisibility"])
def test_an_error_of_sqs_for_one_message_does_not_affect_the_others(updates: Updates, faults: Faults, operation):
    """SQS does not respond when the second is failed or deferred; the first and the third are counted as updated."""
    second = {"SendMessage": {"status": 422, "code": "INVALID_REQUEST"}, "ChangeMessageVisibility": {"status": 503}}
    updated = {"status": 201, "effect": "created"}
    updates.answer = Answer(200, {"results": [updated, second[operation], updated]})
    faults.fail(operation, time_out("sqs"), times=1)
    assert updates.deliver(*map(message, range(3))) == ["m1"]
    assert record_outcomes.count("r", 3) == {"updated": 2, "unchanged": 0, "stale": 0, "failed": 0, "reasons": {}}


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
def test_an_invalid_message_is_a_dead_letter_and_the_rest_is_processed(updates: Updates, bad):
    updates.answer = Answer(200, {"results": [{"status": 200, "effect": "updated"}]})
    assert updates.deliver(bad, message(2)) == []
    assert len(updates.dead_letters()) == 1
    assert record_outcomes.count("r", 3)["updated"] == 1


@pytest.mark.parametrize(
    "response",
    [
        ExternalUnavailable("commerce", "answered 503", retry_after=7),
        Answer(200, {"results": []}),
        Answer(200, "hello"),
        Answer(200, None),
    ],
)
def test_all_records_are_deferred_when_the_platform_is_unavailable(updates: Updates, response):
    updates.answer = response
    assert updates.deliver(message(0), message(1)) == ["m0", "m1"]
    assert record_outcomes.count("r", 2)["failed"] == 0


def test_the_last_delivery_fails_with_the_reason(updates: Updates):
    updates.answer = ExternalUnavailable("commerce", "answered 503")
    assert updates.deliver(message(0), receive_count=15) == []
    assert updates.dead_letters() == ["PLATFORM_UNAVAILABLE"]
    assert record_outcomes.count("r", 1)["reasons"] == {"PLATFORM_UNAVAILABLE": 1}


def test_a_failed_record_is_updated_after_a_redrive(updates: Updates):
    updates.answer = Answer(200, {"results": [{"status": 422, "code": "INVALID_REQUEST"}]})
    updates.deliver(message(0))
    updates.answer = Answer(200, {"results": [{"status": 200, "effect": "updated"}]})
    updates.deliver(message(0))
    updates.answer = Answer(200, {"results": [{"status": 200}]})
    updates.deliver(message(0))
    assert record_outcomes.count("r", 1) == {"updated": 1, "unchanged": 0, "stale": 0, "failed": 0, "reasons": {}}


def test_three_batches_without_response_open_the_circuit_and_a_half_open_probe_closes_it(
    updates: Updates, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(records_queue, "WAIT_SECONDS", 0)
    updates.answer = ExternalUnavailable("commerce", "answered 503")
    for _ in range(2):
        updates.deliver(message(0))
    updates.answer = Answer(200, {"results": [{"status": 500}]})
    updates.deliver(message(0))
    updates.answer = ExternalUnavailable("commerce", "answered 503")
    for _ in range(3):
        assert updates.mapping_changes == []
        updates.deliver(message(0))
    assert updates.mapping_changes == [False]
    assert updates.probe() == "open", "there is no message to send"
    updates.send(message(1))
    assert updates.probe() == "open"
    updates.send(message(2))
    updates.answer = Answer(200, {"results": [{"status": 200, "effect": "updated"}]})
    assert updates.probe() == "closed again"
    assert updates.mapping_changes == [False, True]
    assert record_outcomes.count("r", 3)["updated"] == 1
    assert updates.probe() == "closed"


def test_failures_older_than_a_minute_do_not_open_the_circuit(updates: Updates, monkeypatch: pytest.MonkeyPatch):
    """The process slept in between."""
    clock = [1_800_000_000.0]
    monkeypatch.setattr(update_platform.time, "time", lambda: clock[0])
    updates.answer = ExternalUnavailable("commerce", "answered 503")
    for later in (0, 1, 3600):
        clock[0] += later
        updates.deliver(message(0))
    assert updates.mapping_changes == []
    for _ in range(2):
        clock[0] += 1
        updates.deliver(message(0))
    assert updates.mapping_changes == [False]


def test_a_circuit_that_is_opened_during_closing_stays_open(updates: Updates, faults: Faults):
    """A slow invocation opens the circuit for an outage after the probe has enabled the mapping."""
    open_circuit("down")
    opened_at = circuit.opened_at()
    faults.meanwhile("DeleteItem", lambda: open_circuit("down"))
    assert not close_circuit(opened_at)
    assert updates.mapping_changes == [False, True, False]
    assert is_recoverable(updates)
    assert close_circuit(circuit.opened_at())
    assert updates.mapping_changes[-1]


def test_a_circuit_that_is_closed_during_opening_is_closed_by_the_next_probe(updates: Updates, faults: Faults):
    """The probe closes it before the mapping is disabled."""

    def probe() -> None:
        assert close_circuit(circuit.opened_at())

    faults.meanwhile("PutItem", probe, after=True)
    open_circuit("down")
    assert updates.mapping_changes == [True, False]
    assert is_recoverable(updates)


def test_a_circuit_is_closed_when_the_sdk_repeats_the_write(updates: Updates, faults: Faults):
    open_circuit("down")
    faults.lose_response("DeleteItem")
    assert close_circuit(circuit.opened_at())
    assert circuit.opened_at() == ""


@pytest.mark.parametrize("code", ["ResourceInUseException", "TooManyRequestsException"])
def test_the_next_probe_closes_the_circuit_if_the_mapping_cannot_be_changed_now(updates: Updates, code):
    open_circuit("down")
    updates.fail_mapping_changes(refused("UpdateEventSourceMapping", code))
    in_progress = code == "ResourceInUseException"
    with nullcontext() if in_progress else pytest.raises(ClientError):
        assert not close_circuit(circuit.opened_at())
    with nullcontext() if in_progress else pytest.raises(ClientError):
        open_circuit("down")
    assert circuit.opened_at()


def test_a_probe_uses_long_polling(updates: Updates, faults: Faults):
    """A short poll queries only some servers of the queue, and may miss its few messages."""
    open_circuit("down")
    faults.respond("ReceiveMessage", lambda request: {})
    updates.probe()
    [request] = faults.requests("ReceiveMessage")
    assert request["WaitTimeSeconds"] >= 1
