"""Administrators read the state of a migration and start it again."""

from collections.abc import Callable

import pytest

from customer_migration import repository
from customer_migration.domain import FAILED, MIGRATED, Outcome
from setpieces.events import parse
from tests.present import present
from tests.service import Response, Service

PATH = {"customer_id": "C1"}


@pytest.fixture
def migrations(service: Callable[..., Service]) -> Service:
    return service("customer-migration")


def show(migrations: Service) -> Response:
    return migrations.call("show_migration", path=PATH)


def test_a_migration_is_shown_without_its_lease(migrations: Service):
    repository.complete(present(repository.acquire_lease("C1")), Outcome(MIGRATED, 4))
    repository.acquire_lease("C1")
    [item] = migrations.items("Table")
    fields = {"customer_id": "C1", "status": "MIGRATED", "attempts": 2, "source_version": 4}
    assert show(migrations)[::2] == (200, fields | {"updated_at": item["updated_at"]})


def test_a_customer_without_a_migration_is_404(migrations: Service):
    response = show(migrations)
    assert (response.status, response.body["code"]) == (404, "MIGRATION_NOT_FOUND")


@pytest.mark.parametrize("function", ["show_migration", "run_migration"])
@pytest.mark.parametrize("customer_id", ["", "a/b", "%41", "..", "x" * 65, "ä", "C1\n", "*"])
def test_an_invalid_customer_id_is_400(migrations: Service, function: str, customer_id: str):
    response = migrations.call(function, path={"customer_id": customer_id})
    assert (response.status, response.body["errors"][0]["pointer"]) == (400, "/customer_id")
    assert migrations.items("Table") == []


def test_a_migration_that_is_started_again_is_pending_and_queued(migrations: Service):
    repository.complete(present(repository.acquire_lease("C1")), Outcome(FAILED, reason="REFUSED"))
    status, headers, body = migrations.call("run_migration", path=PATH)
    assert (status, body) == (202, {"customer_id": "C1", "status": "PENDING"})
    assert headers["Location"] == "/customer-migration/v1/migrations/C1"
    migration = show(migrations).body
    assert (migration["status"], migration["attempts"], "reason" in migration) == ("PENDING", 1, False)
    [message] = migrations.messages("MigrationsQueue")
    assert parse(message.json()).data == {"customer_id": "C1"}


def test_a_migration_that_was_never_requested_can_be_started(migrations: Service):
    assert migrations.call("run_migration", path=PATH).status == 202
    assert show(migrations).body["attempts"] == 0
