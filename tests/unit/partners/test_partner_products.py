"""Batches of updates of products' parts: a result for each update, and no older version over a newer one."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from partners.simulators import products
from tests.unit.partners.client import Simulators


def update(simulators: Simulators, part: str, *updates: dict[str, Any]) -> list[dict[str, Any]]:
    """The results of a batch."""
    status, body, _ = simulators.call("POST", f"commerce/product-updates/{part}", {"updates": list(updates)})
    assert status == 200, body
    results: list[dict[str, Any]] = body["results"]
    return results


def product(sku: str, version: int = 1, **changes: Any) -> dict[str, Any]:
    return {"sku": sku, "version": version, "name": "Tower"} | changes


def price(sku: str, version: int = 1, **changes: Any) -> dict[str, Any]:
    return {"sku": sku, "version": version, "unit_price": 1999, "currency": "EUR"} | changes


def stock(sku: str, version: int = 1, **changes: Any) -> dict[str, Any]:
    return {"sku": sku, "version": version, "stock": 7} | changes


def operations(simulators: Simulators, sku: str) -> list[str]:
    """The operations that had an effect on a product."""
    return [entry["operation"] for entry in simulators.ledger("products", sku)]


def test_a_product_is_for_sale_once_it_has_a_price(simulators: Simulators) -> None:
    assert update(simulators, "product", product("S-1")) == [{"sku": "S-1", "status": 201, "effect": "created"}]
    assert update(simulators, "sku", stock("S-1")) == [{"sku": "S-1", "status": 200, "effect": "updated"}]
    assert simulators.call("GET", "commerce/products/S-1").status == 404
    assert simulators.call("GET", "commerce/products").body["items"] == []
    assert update(simulators, "pricing", price("S-1")) == [{"sku": "S-1", "status": 200, "effect": "updated"}]
    stored = simulators.call("GET", "commerce/products/S-1").body
    assert (stored["name"], stored["unit_price"], stored["stock"]) == ("Tower", 1999, 7)
    assert (stored["version"], stored["price_version"], stored["stock_version"]) == (1, 1, 1)
    assert operations(simulators, "S-1") == ["update_product", "update_sku", "update_pricing"]


@pytest.mark.parametrize("part", ["pricing", "sku"])
def test_a_price_or_stock_of_an_unknown_product_is_404(simulators: Simulators, part: str) -> None:
    [result] = update(simulators, part, {"pricing": price, "sku": stock}[part]("S-1"))
    assert (result["status"], result["code"]) == (404, "NOT_FOUND")


def test_a_repeat_has_no_effect_and_an_old_version_is_409(simulators: Simulators) -> None:
    update(simulators, "product", product("S-1", 5))
    assert update(simulators, "product", product("S-1", 5)) == [{"sku": "S-1", "status": 200}]
    refused = update(simulators, "product", product("S-1", 4), product("S-1", 5, name="Castle"))
    assert [(result["status"], result["code"]) for result in refused] == [(409, "STALE_VERSION")] * 2
    assert operations(simulators, "S-1") == ["update_product"]


def test_one_request_may_update_a_product_twice(simulators: Simulators) -> None:
    results = update(simulators, "product", product("S-1", 1), product("S-1", 2, name="Castle"), product("S-1", 1))
    assert [result["status"] for result in results] == [201, 200, 409]
    assert operations(simulators, "S-1") == ["update_product"] * 2


@pytest.mark.parametrize(
    ("part", "bad"),
    [
        ("product", product("S-2", name="x" * 121)),
        ("product", product("S-2", category=products.REFUSED_CATEGORY)),
        ("product", product("S-2", 0)),
        ("product", product("S-2", colour="red")),
        ("product", product("../x")),
        ("product", {"version": 1, "name": "no sku"}),
        ("pricing", price("S-1", 9, currency="XAU")),
        ("pricing", price("S-1", 9, unit_price=-1)),
        ("pricing", price("S-1", 9, unit_price=1.5)),
        ("sku", stock("S-1", 9, stock=1_000_001)),
    ],
)
def test_an_invalid_update_does_not_prevent_the_others(simulators: Simulators, part: str, bad: dict[str, Any]) -> None:
    update(simulators, "product", product("S-1"))
    good = {"product": product("S-3"), "pricing": price("S-1"), "sku": stock("S-1")}[part]
    results = update(simulators, part, bad, good)
    assert results[0]["status"] == 422
    assert results[1]["effect"] in ("created", "updated")


@pytest.mark.parametrize("body", [{}, {"updates": []}, {"updates": [1]}, {"updates": [product("S-1")] * 26}, {"x": 1}])
def test_an_invalid_batch_is_400(simulators: Simulators, body: dict[str, Any]) -> None:
    assert simulators.call("POST", "commerce/product-updates/product", body).status == 400


def test_an_injected_error_concerns_each_update_an_outage_the_request(simulators: Simulators) -> None:
    simulators.call("PUT", "faults/commerce", {"error_rate": 1, "operations": ["update_product"]})
    [result] = update(simulators, "product", product("S-1"))
    assert (result["status"], result["code"]) == (500, "SIMULATED_ERROR")
    simulators.call("PUT", "faults/commerce", {"outage": True})
    status, body, headers = simulators.call("POST", "commerce/product-updates/product", {"updates": [product("S-1")]})
    assert (status, body["code"], headers["Retry-After"]) == (503, "SIMULATED_OUTAGE", "1")
    simulators.call("DELETE", "faults/commerce")
    assert operations(simulators, "S-1") == []


def test_an_update_has_one_effect_in_concurrent_requests(simulators: Simulators) -> None:
    skus = [f"S-{number}" for number in range(5)]
    with ThreadPoolExecutor(4) as clients:
        list(clients.map(lambda _: update(simulators, "product", *map(product, skus)), range(8)))
    assert [len(operations(simulators, sku)) for sku in skus] == [1] * 5


def test_a_whole_product_replaces_all_parts(simulators: Simulators) -> None:
    update(simulators, "product", product("S-1"))
    body = {"name": "Tower", "unit_price": 1999, "currency": "EUR", "version": 3}
    assert simulators.call("PUT", "commerce/products/S-1", body).status == 200
    assert simulators.call("GET", "commerce/products/S-1").body["unit_price"] == 1999
