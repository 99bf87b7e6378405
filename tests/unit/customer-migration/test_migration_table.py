"""One lease at a time, and what is remembered of a migration."""

from datetime import timedelta

import pytest
import time_machine

from customer_migration import repository as table
from setpieces.aws import client
from tests.present import present
from tests.unit.lost_answers import repeat
from tests.unit.tables import mocked_table


@pytest.fixture(autouse=True)
def _table(monkeypatch):
    monkeypatch.setenv("TABLE_NAME", "migrations")
    with mocked_table(monkeypatch, "migrations", "customer_id"):
        yield


def remembered() -> dict:
    return {
        name: value for name, value in present(table.find("C1")).items() if name not in ("updated_at", "lease_until")
    }


def test_the_first_attempt_is_pending_and_holds_the_lease():
    lease = present(table.acquire("C1"))
    assert lease.source_version == 0
    assert remembered() == {"customer_id": "C1", "status": "PENDING", "attempts": 1, "lease_owner": lease.owner}
    assert table.acquire("C1") is None
    assert table.acquire("C2") is not None


def test_a_lease_whose_answer_was_lost_is_held_and_others_still_wait(monkeypatch):
    with monkeypatch.context() as lost:
        repeat(lost, client("dynamodb"), "update_item")
        assert table.acquire("C1") is not None
    assert table.acquire("C1") is None


def test_a_migration_is_found():
    table.acquire("C1")
    found = table.find("C1")
    assert found is not None
    assert (found["status"], found["attempts"]) == ("PENDING", 1)


def test_a_lease_that_is_over_can_be_taken_and_its_holder_has_no_say_any_more(monkeypatch):
    late = present(table.acquire("C1"))
    over = table.time.time() + table.LEASE_SECONDS + 1
    monkeypatch.setattr(table.time, "time", lambda: over)
    taken = present(table.acquire("C1"))
    table.finish(late, table.FAILED, reason="UNAVAILABLE")
    table.release(late)
    assert remembered()["lease_owner"] == taken.owner
    table.finish(taken, table.MIGRATED, 3)
    assert remembered() == {"customer_id": "C1", "status": "MIGRATED", "attempts": 2, "source_version": 3}


@pytest.mark.parametrize("off", [timedelta(minutes=4), timedelta(minutes=-4)])
def test_a_holder_whose_clock_was_wrong_holds_up_nobody(off):
    with time_machine.travel(off):
        table.acquire("C1")
    assert table.acquire("C1") is not None
    assert table.acquire("C1") is None


def test_a_little_drift_takes_no_lease_away():
    with time_machine.travel(timedelta(seconds=3)):
        table.acquire("C1")
    assert table.acquire("C1") is None


def test_giving_back_changes_nothing_else():
    table.finish(present(table.acquire("C1")), table.MIGRATED, 3)
    table.release(present(table.acquire("C1")))
    assert remembered() == {"customer_id": "C1", "status": "MIGRATED", "attempts": 2, "source_version": 3}
    assert present(table.acquire("C1")).source_version == 3


def test_a_reason_is_forgotten_with_what_it_was_the_reason_of():
    table.finish(present(table.acquire("C1")), table.NOT_FOUND, reason="NO_LEGACY_CUSTOMER")
    assert remembered()["reason"] == "NO_LEGACY_CUSTOMER"
    table.await_rerun("C1")
    assert remembered() == {"customer_id": "C1", "status": "PENDING", "attempts": 1}
    table.finish(present(table.acquire("C1")), table.FAILED, reason="REFUSED")
    table.finish(present(table.acquire("C1")), table.MIGRATED, 1)
    assert remembered() == {"customer_id": "C1", "status": "MIGRATED", "attempts": 3, "source_version": 1}


def test_a_customer_nobody_asked_for_is_unknown():
    assert table.find("C1") is None
