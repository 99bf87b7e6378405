"""A sign-up on the new site migrates the customer's data from the legacy platform."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.integration import spokes
from tools.client import Shop, eventually, unique
from tools.dead_letters import DeadLetter
from tools.drivers.customers import session_headers

LEGACY = {"name": "Old Name", "phone": "+41 44 000 00 00", "addresses": [{"city": "Bern"}], "language": "de"}


def sign_up(shop: Shop, version: int = 0) -> str:
    """A customer who has signed up on the new site; the legacy platform has them at ``version`` unless that is 0."""
    name = unique("C")
    new = {"identity_id": unique("I"), "name": "New Name", "email": f"{name.lower()}@example.com", "origin": "shop"}
    path = f"/partners/v1/commerce/customers/{name}"
    assert shop.call("PUT", path, json=new, headers={"If-None-Match": "*"}).status_code == 201
    if version:
        put_legacy(shop, name, LEGACY | {"source_version": version})
    return name


def put_legacy(shop: Shop, name: str, legacy: dict[str, Any]) -> None:
    response = shop.call("PUT", f"/partners/v1/commerce/legacy/customers/{name}", json=legacy)
    assert response.status_code in (200, 201)


def message(kind: str, name: str, origin: str = "shop", correlation_id: str = "") -> dict[str, Any]:
    """A message of the customer topic: {Message, MessageAttributes}."""
    data: dict[str, Any] = {"customer_id": name} | ({"version": 1} if kind == "UPDATED" else {})
    meta_data = {"site_id": "Brick Shop", "type": "CUSTOMER", "subtype": "PROFILE", "status": kind, "version": "1"}
    meta_data |= {
        "event_id": str(uuid4()),
        "correlation_id": correlation_id or unique("signup"),
        "occurred_at": "2026-01-01T12:00:00.000+00:00",
    }
    attributes = {"type": "CUSTOMER", "subtype": "PROFILE", "status": kind, "origin": origin}
    return {
        "Message": json.dumps({"event": {"meta_data": meta_data, "data": data}}),
        "MessageAttributes": {each: {"DataType": "String", "StringValue": value} for each, value in attributes.items()},
    }


def publish(shop: Shop, *messages: dict[str, Any]) -> None:
    topic = shop.address("customers", "customer-topic-arn")
    for start in range(0, len(messages), 10):
        entries = [{"Id": str(n)} | each for n, each in enumerate(messages[start : start + 10])]
        response = shop.aws("sns").publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
        assert not response.get("Failed")


def customer(shop: Shop, name: str) -> dict[str, Any]:
    return shop.call("GET", f"/partners/v1/commerce/customers/{name}").json()


def ledger_entries(shop: Shop, name: str) -> list[dict[str, Any]]:
    """The writes of the migration, one entry each."""
    return [entry for entry in shop.ledger("customers", name) if entry.get("origin") == "migration"]


def session(shop: Shop, who: str) -> dict[str, str]:
    return session_headers(shop, shop.samples[who])


@pytest.fixture(scope="module")
def admin(shop: Shop) -> dict[str, str]:
    return session(shop, "admin")


def path(name: str) -> str:
    return f"/customer-migration/v1/migrations/{name}"


def status(shop: Shop, admin: dict[str, str], name: str) -> dict[str, Any]:
    return shop.call("GET", path(name), headers=admin).json()


def ended(shop: Shop, admin: dict[str, str], name: str, expected: str) -> dict[str, Any]:
    """The migration, once it is ``expected``."""
    return eventually(lambda: (migration := status(shop, admin, name)).get("status") == expected and migration)


def test_a_sign_up_migrates_the_customer_with_one_write(shop: Shop, admin):
    name = sign_up(shop, 3)
    publish(shop, message("CREATED", name))
    migration = ended(shop, admin, name, "MIGRATED")
    assert (migration["attempts"], migration["source_version"]) == (1, 3)
    merged = customer(shop, name)
    assert {each: merged[each] for each in ("phone", "addresses", "language")} == {
        each: LEGACY[each] for each in ("phone", "addresses", "language")
    }
    assert (merged["name"], merged["version"], merged["origin"]) == ("New Name", 2, "migration")
    assert len(ledger_entries(shop, name)) == 1


def test_repeated_and_early_messages_migrate_the_customer_once(shop: Shop, admin):
    name = sign_up(shop, 1)
    created = message("CREATED", name)
    publish(shop, message("UPDATED", name), created, created, message("UPDATED", name), created)
    ended(shop, admin, name, "MIGRATED")
    eventually(lambda: status(shop, admin, name)["attempts"] == 5)
    assert len(ledger_entries(shop, name)) == 1


def test_a_newer_version_is_migrated_and_keeps_changes_by_the_customer(shop: Shop, admin):
    name = sign_up(shop, 1)
    publish(shop, message("CREATED", name))
    ended(shop, admin, name, "MIGRATED")
    changed = customer(shop, name)
    edited = {each: value for each, value in changed.items() if each != "updated_at"} | {"phone": "mine"}
    at = f"/partners/v1/commerce/customers/{name}"
    assert shop.call("PUT", at, json=edited, headers={"If-Match": '"2"'}).status_code == 200
    put_legacy(shop, name, LEGACY | {"source_version": 2, "phone": "theirs", "language": "fr"})
    publish(shop, message("UPDATED", name))
    eventually(lambda: status(shop, admin, name)["source_version"] == 2)
    merged = customer(shop, name)
    assert (merged["phone"], merged["language"], merged["version"]) == ("mine", "fr", 4)


def test_an_event_that_the_migration_caused_is_not_delivered(shop: Shop, admin):
    name, other = (sign_up(shop, 1) for _ in range(2))
    publish(shop, message("UPDATED", name, origin="migration"), message("CREATED", other))
    ended(shop, admin, other, "MIGRATED")
    assert shop.call("GET", path(name), headers=admin).status_code == 404


def test_a_customer_without_legacy_data_is_not_found_and_no_dead_letter(shop: Shop, admin):
    name = sign_up(shop)
    publish(shop, message("CREATED", name))
    migration = ended(shop, admin, name, "NOT_FOUND")
    assert (migration["attempts"], migration["reason"]) == (3, "NO_LEGACY_CUSTOMER")
    assert dead_letters(shop, name) == []


def dead_letters(shop: Shop, name: str) -> list[DeadLetter]:
    """Dead letters about a customer: of the migration, and of the topic's subscription."""
    queues = ("customer-migration-migrations-dlq", "customer-migration-undelivered-dlq")
    return [letter for queue in queues for letter in spokes.dead_letters(shop, queue, name)]


def test_a_deleted_customer_is_not_created_again(shop: Shop, admin):
    name = sign_up(shop, 1)
    assert shop.call("DELETE", f"/partners/v1/commerce/customers/{name}").status_code == 204
    publish(shop, message("CREATED", name))
    assert ended(shop, admin, name, "NOT_FOUND")["reason"] == "DELETED"
    assert ledger_entries(shop, name) == []
    assert shop.call("GET", f"/partners/v1/commerce/customers/{name}").status_code == 410


def test_a_migration_is_retried_until_an_outage_ends(shop: Shop, admin):
    name = sign_up(shop, 1)
    with shop.faults("commerce", outage=True):
        publish(shop, message("CREATED", name))
        ended(shop, admin, name, "PENDING")
    ended(shop, admin, name, "MIGRATED")
    assert len(ledger_entries(shop, name)) == 1


def test_an_administrator_starts_a_migration_again(shop: Shop, admin):
    name = sign_up(shop, 1)
    response = shop.call("POST", path(name), headers=admin)
    assert (response.status_code, response.json()) == (202, {"customer_id": name, "status": "PENDING"})
    assert response.headers["location"].endswith(f"/v1/migrations/{name}")
    ended(shop, admin, name, "MIGRATED")
    assert shop.call("POST", path(name), headers=admin).status_code == 202
    eventually(lambda: (migration := status(shop, admin, name))["attempts"] == 2 and migration["status"] == "MIGRATED")
    assert len(ledger_entries(shop, name)) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_api_is_for_administrators(shop: Shop, method):
    assert shop.call(method, path("C1")).status_code == 401
    assert shop.call(method, path("C1"), headers={"Authorization": "Bearer nonsense"}).status_code == 401
    assert shop.call(method, path("C1"), headers=session(shop, "customer")).status_code == 403


@pytest.mark.parametrize("name", ["a.b", "%41", "%2e%2e", "x" * 65, "%F0%9F%A7%B1", "*"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_invalid_customer_id_is_400_with_a_pointer(shop: Shop, admin, method, name):
    response = shop.call(method, path(name), headers=admin)
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/customer_id"


def test_an_unknown_migration_is_404(shop: Shop, admin):
    response = shop.call("GET", path(unique("C")), headers=admin)
    assert (response.status_code, response.json()["code"]) == (404, "MIGRATION_NOT_FOUND")
