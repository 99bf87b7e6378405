"""Orders, customers and their syncs, shipments, members and pages: created once, replaced, deleted."""

from typing import Any

import pytest

from tests.unit.partners.client import Simulators
from tests.unit.partners.samples import CUSTOMER, MEMBER, ORDER, PRODUCT, SHIPMENT


@pytest.mark.parametrize(
    ("path", "body", "ledger_name", "key"),
    [
        ("commerce/products/S-1", PRODUCT, "products", "S-1"),
        ("commerce/orders/T1", ORDER, "platform-orders", "T1"),
        ("sap/shipments/T1", SHIPMENT, "shipments", "T1"),
    ],
)
def test_a_put_creates_a_document_once(
    simulators: Simulators, path: str, body: dict[str, Any], ledger_name: str, key: str
) -> None:
    status, created, _ = simulators.call("PUT", path, body)
    assert status == 201
    assert simulators.call("PUT", path, body)[:2] == (200, created)
    assert simulators.call("GET", path)[:2] == (200, created)
    [entry] = simulators.ledger(ledger_name, key)
    assert entry["effect"] == "created"
    assert entry["key"] == key
    assert created.items() <= entry.items()


@pytest.mark.parametrize(
    ("path", "body", "other"),
    [
        ("commerce/orders/T1", ORDER, ORDER | {"status": "cancelled"}),
        ("sap/shipments/T1", SHIPMENT, SHIPMENT | {"sequence": 2}),
        ("commerce/products/S-1", PRODUCT, PRODUCT | {"unit_price": 1}),
        ("commerce/products/S-1", PRODUCT, PRODUCT | {"version": 2}),
    ],
)
def test_other_content_under_the_same_key_is_409(
    simulators: Simulators, path: str, body: dict[str, Any], other: dict[str, Any]
) -> None:
    created = simulators.call("PUT", path, body).body
    assert simulators.call("PUT", path, other).status == 409
    assert simulators.call("GET", path).body == created


def test_a_newer_version_of_a_product_replaces_it(simulators: Simulators) -> None:
    simulators.call("PUT", "commerce/products/S-1", PRODUCT)
    assert simulators.call("PUT", "commerce/products/S-1", PRODUCT | {"version": 4, "stock": 7}).status == 200
    assert simulators.call("GET", "commerce/products/S-1").body["stock"] == 7
    assert [entry["effect"] for entry in simulators.ledger("products", "S-1")] == ["created", "updated"]


def test_a_customer_is_replaced_only_with_the_current_version(simulators: Simulators) -> None:
    path = "commerce/customers/C1"
    assert simulators.call("PUT", path, CUSTOMER).status == 428
    assert simulators.call("PUT", path, CUSTOMER, headers={"If-Match": "1"}).status == 412
    status, created, headers = simulators.call("PUT", path, CUSTOMER, headers={"If-None-Match": "*"})
    assert (status, created["version"], headers["ETag"]) == (201, 1, '"1"')
    assert simulators.call("PUT", path, CUSTOMER, headers={"If-None-Match": "*"}).status == 412
    changed = CUSTOMER | {"name": "Ada L.", "updated_at": {"email": "2026-01-01T00:00:00Z"}}
    status, updated, _ = simulators.call("PUT", path, changed, headers={"If-Match": '"1"'})
    assert (status, updated["version"]) == (200, 2)
    assert updated["updated_at"]["identity_id"] == created["updated_at"]["identity_id"]
    assert updated["updated_at"]["name"] > created["updated_at"]["name"]
    assert updated["updated_at"]["email"] == "2026-01-01T00:00:00Z"
    assert simulators.call("PUT", path, CUSTOMER, headers={"If-Match": "1"}).status == 412
    assert [entry["effect"] for entry in simulators.ledger("customers", "C1")] == ["created", "updated"]


@pytest.mark.parametrize("exists", [True, False])
def test_a_deleted_customer_stays_deleted(simulators: Simulators, exists: bool) -> None:
    path = "commerce/customers/C1"
    if exists:
        simulators.call("PUT", path, CUSTOMER, headers={"If-None-Match": "*"})
    assert simulators.call("DELETE", path)[:2] == (204, None)
    assert simulators.call("DELETE", path).status == 204
    assert simulators.call("GET", path).status == 410
    assert simulators.call("PUT", path, CUSTOMER, headers={"If-None-Match": "*"}).status == 410
    assert [entry["effect"] for entry in simulators.ledger("customers", "C1")].count("deleted") == 1


@pytest.mark.parametrize("path", ["commerce/customers/C1/syncs", "rewards/members/C1/syncs"])
def test_a_sync_has_one_effect_per_event(simulators: Simulators, path: str) -> None:
    body = {"kind": "vip", "event_id": "E1", "data": {"tier": "gold"}}
    assert simulators.call("POST", path, body).status == 201
    assert simulators.call("POST", path, body).status == 200
    assert simulators.call("POST", path, body | {"event_id": "E2"}).status == 201
    assert [entry["event_id"] for entry in simulators.ledger("customers", "C1")] == ["E1", "E2"]


def test_a_legacy_customer_is_created_replaced_and_deleted(simulators: Simulators) -> None:
    path, body = "commerce/legacy/customers/C1", {"source_version": 2, "name": "Ada"}
    assert simulators.call("GET", path).status == 404
    assert simulators.call("PUT", path, body)[:2] == (201, body | {"customer_id": "C1"})
    assert simulators.call("PUT", path, body | {"source_version": 3}).status == 200
    assert simulators.call("GET", path).body["source_version"] == 3
    assert simulators.call("DELETE", path).status == 204
    assert simulators.call("GET", path).status == 404


@pytest.mark.parametrize(
    ("path", "body"), [("rewards/members/C1", MEMBER), ("content/pages/about", {"title": "About", "body": "Bricks"})]
)
def test_members_and_pages_are_replaced(simulators: Simulators, path: str, body: dict[str, Any]) -> None:
    assert simulators.call("GET", path).status == 404
    assert simulators.call("PUT", path, body).status == 201
    assert simulators.call("PUT", path, body).status == 200
    assert simulators.call("PUT", path, body | {"extra": 1}).body["extra"] == 1


def test_an_existing_member_is_not_created_again(simulators: Simulators) -> None:
    assert simulators.call("PUT", "rewards/members/C1", MEMBER, headers={"If-None-Match": "*"}).status == 201
    again = simulators.call("PUT", "rewards/members/C1", MEMBER | {"points": 0}, headers={"If-None-Match": "*"})
    assert (again.status, again.body["code"]) == (412, "PRECONDITION_FAILED")
    assert simulators.call("GET", "rewards/members/C1").body["points"] == MEMBER["points"]
