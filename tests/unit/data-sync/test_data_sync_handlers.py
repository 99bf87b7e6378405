"""One event in each spoke: what the external system gets, what is retried, what becomes a dead letter."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from data_sync.domain import MAX_RECEIVES_OF_UNKNOWN_CUSTOMER
from model.settings import ROOT
from setpieces import external
from setpieces.errors import ExternalUnavailable
from setpieces.events import Event
from setpieces.external import Answer
from tests.lambda_events import eventbridge_event
from tests.service import Service

LOGIN, COMPLETE = ("CUSTOMER", "SESSION", "LOGIN"), ("CHECKOUT", "ORDER", "COMPLETE")
UPDATED = ("CUSTOMER", "PROFILE", "UPDATED")


class ExternalSystem:
    """Each call raises the ``response``, or returns a response with it as its status."""

    def __init__(self) -> None:
        self.response: int | Exception = 201
        self.calls: list[tuple[str, str, str]] = []
        self.bodies: list[dict[str, Any]] = []

    def call(self, system: str, method: str, *path: str, body: dict[str, Any], **options: Any) -> Answer:
        self.calls.append((system, method, "/".join(path)))
        self.bodies.append(body)
        if isinstance(self.response, Exception):
            raise self.response
        return Answer(self.response, None)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> ExternalSystem:
    system = ExternalSystem()
    monkeypatch.setattr(external, "call", system.call)
    return system


@pytest.fixture
def data_sync(service: Callable[..., Service]) -> Service:
    return service("data-sync")


def sample_event(spoke: str) -> dict[str, Any]:
    """The event of ``events/data-sync/sync_<spoke>.json``, as EventBridge puts it on a queue."""
    batch = json.loads((ROOT / "events" / "data-sync" / f"sync_{spoke}.json").read_text())
    event: dict[str, Any] = json.loads(batch["Records"][0]["body"])
    return event


def is_done(data_sync: Service, spoke: str, event: dict[str, Any] | None = None, receive_count: int = 1) -> bool:
    """Deliver an event to a spoke, by default its sample event. True if it is not to be delivered again."""
    return data_sync.deliver(f"sync_{spoke}", event or sample_event(spoke), receive_count=receive_count) == []


def dead_letter_reasons(data_sync: Service, spoke: str = "customer") -> list[str]:
    return [message.attributes["reason"] for message in data_sync.messages(f"{spoke.capitalize()}DeadLetters")]


# --- what is sent ---


@pytest.mark.parametrize(
    ("spoke", "name", "path"),
    [
        ("customer", "commerce", "customers/C100000001/syncs"),
        ("wishlist", "commerce", "customers/C100000001/syncs"),
        ("vip", "rewards", "members/C100000001/syncs"),
    ],
)
def test_an_event_is_sent_once_to_the_system_of_the_spoke(
    data_sync: Service, system: ExternalSystem, spoke: str, name: str, path: str
) -> None:
    assert is_done(data_sync, spoke)
    assert system.calls == [(name, "POST", path)]
    (body,) = system.bodies
    assert body.get("data", body)["causation_id"].startswith("00000000-0000-4000-8000-")


def test_syncs_of_one_event_have_different_ids_in_each_spoke(data_sync: Service, system: ExternalSystem) -> None:
    for spoke in ("customer", "vip", "wishlist"):
        assert is_done(data_sync, spoke, sample_event("wishlist"))
    assert len({body["event_id"] for body in system.bodies}) == 3


def test_a_repeated_delivery_sends_the_same_sync(data_sync: Service, system: ExternalSystem) -> None:
    assert is_done(data_sync, "vip")
    system.response = 200
    assert is_done(data_sync, "vip", receive_count=2)
    assert system.bodies[0] == system.bodies[1]


def count_syncs(
    data_sync: Service, system: ExternalSystem, spoke: str, kind: tuple[str, str, str], *data: dict[str, Any]
) -> int:
    """The number of different syncs that follow from one event with each of ``data``."""
    for members in data:
        event = Event(kind, {"customer_id": "C100000001", **members})
        assert is_done(data_sync, spoke, eventbridge_event(event.detail()))
    assert len(system.bodies) == len(data)
    return len({body["event_id"] for body in system.bodies})


@pytest.mark.parametrize("spoke", ["customer", "vip"])
def test_two_events_about_one_complete_order_are_one_sync(
    data_sync: Service, system: ExternalSystem, spoke: str
) -> None:
    first, second = {"order_number": "T100000001"}, {"order_number": "T100000002"}
    assert count_syncs(data_sync, system, spoke, COMPLETE, first, first, second) == 2


def test_two_events_about_one_version_of_a_profile_are_one_sync(data_sync: Service, system: ExternalSystem) -> None:
    versions = [{"version": version} for version in (3, 3, 4)]
    assert count_syncs(data_sync, system, "customer", UPDATED, *versions) == 2


def test_every_login_is_a_sync(data_sync: Service, system: ExternalSystem) -> None:
    assert count_syncs(data_sync, system, "vip", LOGIN, {}, {}) == 2


# --- what the response means ---


@pytest.mark.parametrize("response", [ExternalUnavailable("commerce", "no answer", timed_out=True), 404])
def test_a_sync_is_retried_after_no_response_and_for_an_unknown_customer(
    data_sync: Service, system: ExternalSystem, response: int | Exception
) -> None:
    system.response = response
    assert not is_done(data_sync, "customer")
    assert dead_letter_reasons(data_sync) == []


@pytest.mark.parametrize(("status", "reason"), [(404, "UNKNOWN_CUSTOMER"), (400, "SYNC_REFUSED")])
def test_a_permanent_failure_becomes_a_dead_letter_with_its_reason(
    data_sync: Service, system: ExternalSystem, status: int, reason: str
) -> None:
    system.response = status
    assert is_done(data_sync, "customer", receive_count=MAX_RECEIVES_OF_UNKNOWN_CUSTOMER)
    assert dead_letter_reasons(data_sync) == [reason]


def test_a_sync_of_a_deleted_customer_is_done(data_sync: Service, system: ExternalSystem) -> None:
    system.response = 410
    assert is_done(data_sync, "customer")
    assert dead_letter_reasons(data_sync) == []


def test_an_event_that_the_spoke_does_not_sync_becomes_a_dead_letter(
    data_sync: Service, system: ExternalSystem
) -> None:
    assert is_done(data_sync, "wishlist", sample_event("vip"))
    assert dead_letter_reasons(data_sync, "wishlist") == ["UNKNOWN_EVENT"]
    assert system.calls == []
