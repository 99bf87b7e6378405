"""Migrating a customer while platforms and AWS fail: the customer is written once, or not at all."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from customer_migration import repository
from customer_migration.clients import ATTEMPTS
from model.settings import ROOT
from setpieces import external
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.faults import Crash, Fault, Faults
from tests.service import Service

SIGNED_UP = "2026-03-01T12:00:00+00:00"
GONE = Answer(410, None)
# The calls of a migration without failures.
CALLS = ["UpdateItem", "GET legacy/customers/C1", "GET customers/C1", "PUT customers/C1", "UpdateItem"]
# Of the queue, in seconds.
VISIBILITY_TIMEOUT = 60
ERRORS = {
    "500": ExternalUnavailable("commerce", "answered 500"),
    "time-out": ExternalUnavailable("commerce", "no answer", timed_out=True),
    "Retry-After": ExternalUnavailable("commerce", "answered 503", retry_after=30),
}


def sample_event(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events" / "bus" / f"{name}.json").read_text())
    return event


def created(customer_id: str) -> dict[str, Any]:
    """A message of the customer topic."""
    return {"event": sample_event("customer.profile.created")["event"] | {"data": {"customer_id": customer_id}}}


class Migrations:
    """The service as deployed, and the commerce platform in memory: ``legacy`` and ``customer`` are its customer C1.

    ``error`` is the error of a call that fails; with ``is_down`` all do. ``after_get`` runs once, after C1 was read.
    """

    def __init__(self, service: Service, faults: Faults) -> None:
        self.service, self.faults = service, faults
        self.legacy: Any = {"customer_id": "C1", "source_version": 4, "phone": "1"}
        times = dict.fromkeys(("name", "email"), SIGNED_UP)
        self.customer: Any = {"customer_id": "C1", "version": 1, "name": "N", "email": "e", "updated_at": times}
        self.is_down = self.is_deleted = self.is_legacy_deleted = self.refuses_writes = False
        self.after_get: Callable[[], None] | None = None
        self.writes: list[dict[str, Any]] = []
        self.error = ERRORS["500"]

    # --- the commerce platform ---

    def call(self, system: str, method: str, *path: str, timeout: float, body: Any = None, headers: Any = None) -> Any:
        """As ``external.call``."""

        def respond() -> Answer:
            if self.is_down:
                raise self.error
            if path[0] == "legacy":
                return GONE if self.is_legacy_deleted else _found(self.legacy)
            return self._get() if method == "GET" else self._put(body, headers["If-Match"])

        return self.faults.call(f"{method} {'/'.join(path)}", respond, self.error)

    def _get(self) -> Answer:
        response = GONE if self.is_deleted else _found(self.customer)
        if self.after_get:
            self.after_get()
            self.after_get = None
        return response

    def _put(self, body: dict[str, Any], if_match: str) -> Answer:
        if self.refuses_writes:
            return Answer(400, None)
        if self.is_deleted:
            return GONE
        if if_match != f'"{self.customer["version"]}"':
            return Answer(412, None)
        self.customer = body | {"version": self.customer["version"] + 1}
        self.writes.append(body)
        return Answer(200, self.customer)

    # --- the service ---

    def deliver(self, receive_count: int = 1, body: Any = None, origin: str = "shop") -> bool:
        """Deliver a message for the ``receive_count``-th time; True if it is done."""
        message, attributes = body or created("C1"), {"origin": origin}
        options: dict[str, Any] = {"attributes": attributes, "receive_count": receive_count}
        return not self.service.deliver("migrate_customer", message, **options)

    @property
    def migration(self) -> dict[str, Any]:
        """The stored migration without its times, {} without one."""
        items = self.service.items("Table")
        return {name: value for item in items for name, value in item.items() if name != "updated_at"}

    @property
    def outcome(self) -> tuple[str, str | None]:
        """(status, reason)."""
        return self.migration["status"], self.migration.get("reason")

    def dead_letter_reasons(self) -> list[str]:
        return [message.attributes["reason"] for message in self.service.messages("MigrationsDeadLetters")]

    @property
    def delays(self) -> list[int]:
        """The seconds after which messages are delivered again."""
        return [request["VisibilityTimeout"] for request in self.faults.requests("ChangeMessageVisibility")]


def _found(customer: Any) -> Answer:
    return Answer(404, None) if customer is None else Answer(200, customer)


@pytest.fixture
def migrations(service: Callable[..., Service], faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Migrations:
    migrations = Migrations(service("customer-migration"), faults)
    monkeypatch.setattr(external, "call", migrations.call)
    faults.respond("ChangeMessageVisibility", lambda _: {})
    faults.restart()
    return migrations


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(timedelta(0)) as traveller:
        yield traveller


def test_a_customer_is_migrated_with_one_write(migrations: Migrations, faults: Faults):
    assert migrations.deliver()
    assert faults.calls == CALLS
    [customer] = migrations.writes
    assert (customer["phone"], customer["source_version"], customer["origin"]) == ("1", 4, "migration")
    assert migrations.migration == {"customer_id": "C1", "status": "MIGRATED", "attempts": 1, "source_version": 4}


def test_a_repeated_message_and_an_older_version_write_nothing(migrations: Migrations):
    assert migrations.deliver()
    assert migrations.deliver(2)
    migrations.legacy["source_version"] = 3
    assert migrations.deliver()
    assert len(migrations.writes) == 1
    assert migrations.migration["source_version"] == 4


def test_a_newer_version_is_written_again(migrations: Migrations):
    migrations.deliver()
    migrations.legacy = {"customer_id": "C1", "source_version": 5, "phone": "2"}
    assert migrations.deliver()
    assert [customer["phone"] for customer in migrations.writes] == ["1", "2"]


@pytest.mark.parametrize("error", ["500", "time-out"])
@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("number", range(len(CALLS)), ids=CALLS)
def test_a_customer_is_written_once_whichever_call_fails(
    migrations: Migrations, faults: Faults, clock: time_machine.Traveller, number: int, fault: Fault, error: str
):
    migrations.error = ERRORS[error]
    faults.restart({number: fault})
    for receive_count in range(1, 5):
        try:
            is_done = migrations.deliver(receive_count)
        except Crash:
            is_done = False
        if is_done:
            break
        clock.shift(VISIBILITY_TIMEOUT)
    assert is_done
    assert len(migrations.writes) == 1
    assert (migrations.migration["status"], migrations.migration["source_version"]) == ("MIGRATED", 4)
    assert migrations.dead_letter_reasons() == []


def test_an_error_response_is_retried_at_once(migrations: Migrations, faults: Faults):
    faults.restart({1: Fault.UNAVAILABLE})
    assert migrations.deliver()
    assert len(faults.calls) == len(CALLS) + 1


def test_a_time_out_is_not_retried_in_the_same_delivery(migrations: Migrations, faults: Faults):
    migrations.error = ERRORS["time-out"]
    faults.restart({1: Fault.UNAVAILABLE})
    assert not migrations.deliver()
    assert faults.calls == ["UpdateItem", "GET legacy/customers/C1", "UpdateItem", "ChangeMessageVisibility"]
    assert migrations.delays == [2]
    assert "lease_owner" not in migrations.migration


def test_a_retry_after_delays_the_message(migrations: Migrations, faults: Faults):
    migrations.error = ERRORS["Retry-After"]
    faults.restart({1: Fault.UNAVAILABLE})
    assert not migrations.deliver()
    assert migrations.delays == [30]


def test_delays_grow_and_the_last_delivery_stores_the_failure(migrations: Migrations, faults: Faults):
    migrations.is_down = True
    for receive_count in range(1, 21):
        assert migrations.migration.get("status") in (None, "PENDING")
        assert not migrations.deliver(receive_count)
    assert migrations.delays == [2, 4, 8, 16, 32, 64, 128, 256] + [300] * 12
    assert migrations.outcome == ("FAILED", "UNAVAILABLE")
    assert faults.calls.count("GET legacy/customers/C1") == 20 * ATTEMPTS


def test_a_migrated_customer_stays_migrated_while_a_later_message_is_retried(migrations: Migrations):
    migrations.deliver()
    migrations.is_down = True
    assert not migrations.deliver()
    assert migrations.outcome == ("MIGRATED", None)


@pytest.mark.parametrize(("missing", "reason"), [("legacy", "NO_LEGACY_CUSTOMER"), ("customer", "NO_NEW_CUSTOMER")])
def test_a_customer_who_is_missing_in_three_deliveries_is_not_found(migrations: Migrations, missing: str, reason: str):
    setattr(migrations, missing, None)
    assert [migrations.deliver(receive_count) for receive_count in (1, 2, 3)] == [False, False, True]
    assert migrations.delays == [2, 4]
    assert migrations.outcome == ("NOT_FOUND", reason)
    assert migrations.writes == []
    assert migrations.dead_letter_reasons() == []


def test_a_customer_who_appears_between_deliveries_is_migrated(migrations: Migrations):
    legacy, migrations.legacy = migrations.legacy, None
    assert not migrations.deliver()
    migrations.legacy = legacy
    assert migrations.deliver(2)
    assert len(migrations.writes) == 1


def test_a_deleted_customer_is_not_created_again(migrations: Migrations):
    migrations.is_deleted = True
    assert migrations.deliver()
    assert migrations.writes == []
    assert migrations.outcome == ("NOT_FOUND", "DELETED")


def test_a_customer_who_is_deleted_during_the_migration_is_not_created_again(migrations: Migrations):
    migrations.after_get = lambda: setattr(migrations, "is_deleted", True)
    assert migrations.deliver()
    assert migrations.writes == []
    assert migrations.outcome == ("NOT_FOUND", "DELETED")


def test_a_customer_who_was_deleted_on_the_legacy_platform_is_not_migrated(migrations: Migrations):
    migrations.is_legacy_deleted = True
    assert migrations.deliver()
    assert migrations.writes == []
    assert migrations.outcome == ("NOT_FOUND", "DELETED")


def test_a_change_by_the_customer_during_the_migration_is_kept(migrations: Migrations):
    def change_phone() -> None:
        times = migrations.customer["updated_at"] | {"phone": "2026-03-01T12:00:01+00:00"}
        migrations.customer = migrations.customer | {"version": 2, "phone": "2", "updated_at": times}

    migrations.after_get = change_phone
    assert migrations.deliver()
    [customer] = migrations.writes
    assert customer["phone"] == "2"


def test_a_message_waits_while_another_one_migrates_the_customer(migrations: Migrations, faults: Faults):
    assert repository.acquire_lease("C1")
    faults.restart()
    assert not migrations.deliver()
    assert faults.calls == ["UpdateItem", "ChangeMessageVisibility"]


@pytest.mark.parametrize("legacy", [{"source_version": 0}, {"source_version": 1, "phone": 1}])
def test_an_invalid_legacy_customer_is_a_dead_letter_and_a_failed_migration(
    migrations: Migrations, legacy: dict[str, Any]
):
    migrations.legacy = legacy
    assert migrations.deliver()
    assert migrations.dead_letter_reasons() == ["INVALID_SOURCE"]
    assert migrations.outcome == ("FAILED", "INVALID_SOURCE")


def test_a_refused_write_is_a_dead_letter_and_a_failed_migration(migrations: Migrations):
    migrations.refuses_writes = True
    assert migrations.deliver()
    assert migrations.dead_letter_reasons() == ["REFUSED"]
    assert migrations.outcome == ("FAILED", "REFUSED")


def test_an_event_that_the_migration_caused_is_ignored(migrations: Migrations, faults: Faults):
    assert migrations.deliver(origin="migration")
    assert faults.calls == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"event": {}}, "INVALID_EVENT"),
        ({"Message": "enveloped"}, "INVALID_EVENT"),
        (created("C/1"), "INVALID_EVENT"),
        (sample_event("customer.session.login"), "UNKNOWN_EVENT"),
    ],
)
def test_an_invalid_message_is_a_dead_letter(migrations: Migrations, body: dict[str, Any], reason: str):
    assert migrations.deliver(body=body)
    assert migrations.dead_letter_reasons() == [reason]
