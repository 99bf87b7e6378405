"""One lease at a time, and what is remembered of a migration."""

import boto3
import migration_table as table
import pytest
from moto import mock_aws

from setpieces import aws


@pytest.fixture(autouse=True)
def _table(monkeypatch):
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        monkeypatch.setenv("TABLE_NAME", "migrations")
        aws.client.cache_clear()
        boto3.client("dynamodb").create_table(
            TableName="migrations",
            AttributeDefinitions=[{"AttributeName": "customer_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "customer_id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield
        aws.client.cache_clear()


def remembered() -> dict:
    return {name: value for name, value in table.find("C1").items() if name not in ("updated_at", "lease_until")}


def test_the_first_attempt_is_pending_and_holds_the_lease():
    lease = table.acquire("C1")
    assert lease.source_version == 0
    assert remembered() == {"customer_id": "C1", "status": "PENDING", "attempts": 1, "lease_owner": lease.owner}
    assert table.acquire("C1") is None
    assert table.acquire("C2") is not None


def test_a_lease_that_is_over_can_be_taken_and_its_holder_has_no_say_any_more(monkeypatch):
    late = table.acquire("C1")
    over = table.time.time() + table.LEASE_SECONDS + 1
    monkeypatch.setattr(table.time, "time", lambda: over)
    taken = table.acquire("C1")
    table.finish(late, table.FAILED, reason="UNAVAILABLE")
    table.release(late)
    assert remembered()["lease_owner"] == taken.owner
    table.finish(taken, table.MIGRATED, 3)
    assert remembered() == {"customer_id": "C1", "status": "MIGRATED", "attempts": 2, "source_version": 3}


def test_giving_back_changes_nothing_else():
    table.finish(table.acquire("C1"), table.MIGRATED, 3)
    table.release(table.acquire("C1"))
    assert remembered() == {"customer_id": "C1", "status": "MIGRATED", "attempts": 2, "source_version": 3}
    assert table.acquire("C1").source_version == 3


def test_a_reason_is_forgotten_with_what_it_was_the_reason_of():
    table.finish(table.acquire("C1"), table.NOT_FOUND, reason="NO_LEGACY_CUSTOMER")
    assert remembered()["reason"] == "NO_LEGACY_CUSTOMER"
    table.await_rerun("C1")
    assert remembered() == {"customer_id": "C1", "status": "PENDING", "attempts": 1}
    table.finish(table.acquire("C1"), table.FAILED, reason="REFUSED")
    table.finish(table.acquire("C1"), table.MIGRATED, 1)
    assert remembered() == {"customer_id": "C1", "status": "MIGRATED", "attempts": 3, "source_version": 1}


def test_a_customer_nobody_asked_for_is_unknown():
    assert table.find("C1") is None
