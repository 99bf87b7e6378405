"""Leases on migrations, and the outcomes that are stored."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from customer_migration import repository
from customer_migration.domain import FAILED, MIGRATED, NOT_FOUND, Outcome
from customer_migration.repository import LEASE_SECONDS, Lease
from setpieces.errors import Refused
from tests.faults import Faults
from tests.present import present
from tests.service import Service


@pytest.fixture(autouse=True)
def migrations(service: Callable[..., Service]) -> Service:
    return service("customer-migration")


def acquire_lease() -> Lease:
    return present(repository.acquire_lease("C1"))


def stored_migration() -> dict[str, Any]:
    """The migration without its times."""
    return {name: value for name, value in repository.load("C1").items() if name not in ("updated_at", "lease_until")}


def test_the_first_attempt_is_pending_and_holds_the_lease():
    lease = acquire_lease()
    assert lease.source_version == 0
    assert stored_migration() == {"customer_id": "C1", "status": "PENDING", "attempts": 1, "lease_owner": lease.owner}
    assert repository.acquire_lease("C1") is None
    assert repository.acquire_lease("C2") is not None


def test_a_lease_is_acquired_when_the_sdk_repeats_the_call(faults: Faults):
    with faults.lose_response("UpdateItem"):
        acquire_lease()
    assert repository.acquire_lease("C1") is None


def test_a_migration_is_loaded():
    acquire_lease()
    migration = repository.load("C1")
    assert (migration["status"], migration["attempts"]) == ("PENDING", 1)


def test_an_expired_lease_is_acquired_by_another_owner_and_its_old_owner_changes_nothing():
    expired = acquire_lease()
    with time_machine.travel(timedelta(seconds=LEASE_SECONDS + 2)):
        lease = acquire_lease()
        repository.complete(expired, Outcome(FAILED, reason="UNAVAILABLE"))
        repository.release_lease(expired)
        assert stored_migration()["lease_owner"] == lease.owner
        repository.complete(lease, Outcome(MIGRATED, 3))
    assert stored_migration() == {"customer_id": "C1", "status": "MIGRATED", "attempts": 2, "source_version": 3}


@pytest.mark.parametrize("offset", [timedelta(minutes=4), timedelta(minutes=-4)])
def test_a_lease_from_a_wrong_clock_does_not_count(offset: timedelta):
    with time_machine.travel(offset):
        acquire_lease()
    assert repository.acquire_lease("C1") is not None
    assert repository.acquire_lease("C1") is None


def test_a_lease_from_a_clock_that_is_seconds_ahead_counts():
    with time_machine.travel(timedelta(seconds=3)):
        acquire_lease()
    assert repository.acquire_lease("C1") is None


def test_a_released_lease_leaves_the_outcome_as_it_was():
    repository.complete(acquire_lease(), Outcome(MIGRATED, 3))
    repository.release_lease(acquire_lease())
    assert stored_migration() == {"customer_id": "C1", "status": "MIGRATED", "attempts": 2, "source_version": 3}
    assert acquire_lease().source_version == 3


def test_a_new_status_removes_the_reason_of_the_old_one():
    repository.complete(acquire_lease(), Outcome(NOT_FOUND, reason="NO_LEGACY_CUSTOMER"))
    assert stored_migration()["reason"] == "NO_LEGACY_CUSTOMER"
    repository.mark_pending("C1")
    assert stored_migration() == {"customer_id": "C1", "status": "PENDING", "attempts": 1}
    repository.complete(acquire_lease(), Outcome(FAILED, reason="REFUSED"))
    repository.complete(acquire_lease(), Outcome(MIGRATED, 1))
    assert stored_migration() == {"customer_id": "C1", "status": "MIGRATED", "attempts": 3, "source_version": 1}


def test_a_failed_migration_keeps_the_version_that_was_migrated():
    repository.complete(acquire_lease(), Outcome(MIGRATED, 3))
    repository.complete(acquire_lease(), Outcome(FAILED, reason="UNAVAILABLE"))
    assert stored_migration()["source_version"] == 3


def test_a_customer_without_a_migration_is_refused():
    with pytest.raises(Refused) as refusal:
        repository.load("C1")
    assert refusal.value.code == "MIGRATION_NOT_FOUND"
