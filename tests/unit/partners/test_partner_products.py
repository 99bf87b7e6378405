"""Updates of parts of products: many in one request, each with its own result, old ones never over newer ones."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.simulator import call


def update(app, part, *updates):
    status, body, _ = call(app, "POST", f"commerce/product-updates/{part}", {"updates": list(updates)})
    assert status == 200, body
    return body["results"]


def product(sku, version=1, **changes):
    return {"sku": sku, "version": version, "name": "Tower"} | changes


def price(sku, version=1, **changes):
    return {"sku": sku, "version": version, "unit_price": 1999, "currency": "EUR"} | changes


def stock(sku, version=1, **changes):
    return {"sku": sku, "version": version, "stock": 7} | changes


def ledger(app, sku):
    return [entry["operation"] for entry in call(app, "GET", "ledger/products", query={"key": sku})[1]["entries"]]


def test_the_parts_of_a_product_come_one_by_one_and_it_is_sold_once_it_has_a_price(app):
    assert update(app, "product", product("S-1")) == [{"sku": "S-1", "status": 201, "effect": "created"}]
    assert update(app, "sku", stock("S-1")) == [{"sku": "S-1", "status": 200, "effect": "updated"}]
    assert call(app, "GET", "commerce/products/S-1")[0] == 404
    assert call(app, "GET", "commerce/products")[1]["items"] == []
    assert update(app, "pricing", price("S-1")) == [{"sku": "S-1", "status": 200, "effect": "updated"}]
    found = call(app, "GET", "commerce/products/S-1")[1]
    assert (found["name"], found["unit_price"], found["stock"]) == ("Tower", 1999, 7)
    assert (found["version"], found["price_version"], found["stock_version"]) == (1, 1, 1)
    assert ledger(app, "S-1") == ["update_product", "update_sku", "update_pricing"]


@pytest.mark.parametrize("part", ["pricing", "sku"])
def test_a_part_of_an_unknown_product_has_to_wait(app, part):
    [result] = update(app, part, {"pricing": price, "sku": stock}[part]("S-1"))
    assert (result["status"], result["code"]) == (404, "NOT_FOUND")


def test_the_same_again_has_no_effect_and_an_old_version_is_refused(app):
    update(app, "product", product("S-1", 5))
    assert update(app, "product", product("S-1", 5)) == [{"sku": "S-1", "status": 200}]
    refused = update(app, "product", product("S-1", 4), product("S-1", 5, name="Castle"))
    assert [(result["status"], result["code"]) for result in refused] == [(409, "STALE_VERSION")] * 2
    assert ledger(app, "S-1") == ["update_product"]


def test_one_request_may_update_a_product_twice(app):
    results = update(app, "product", product("S-1", 1), product("S-1", 2, name="Castle"), product("S-1", 1))
    assert [result["status"] for result in results] == [201, 200, 409]
    assert ledger(app, "S-1") == ["update_product"] * 2


@pytest.mark.parametrize(
    ("part", "bad"),
    [
        ("product", product("S-2", name="x" * 121)),
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
def test_what_the_platform_does_not_take_is_refused_alone(app, part, bad):
    update(app, "product", product("S-1"))
    good = {"product": product("S-3"), "pricing": price("S-1"), "sku": stock("S-1")}[part]
    results = update(app, part, bad, good)
    assert results[0]["status"] == 422
    assert results[1]["effect"] in ("created", "updated")


@pytest.mark.parametrize("body", [{}, {"updates": []}, {"updates": [1]}, {"updates": [product("S-1")] * 26}, {"x": 1}])
def test_a_request_of_another_shape_is_refused_whole(app, body):
    assert call(app, "POST", "commerce/product-updates/product", body)[0] == 400


def test_faults_strike_updates_one_by_one(app):
    call(app, "PUT", "faults/commerce", {"error_rate": 1, "operations": ["update_product"]})
    [result] = update(app, "product", product("S-1"))
    assert (result["status"], result["code"]) == (500, "SIMULATED_ERROR")
    call(app, "PUT", "faults/commerce", {"outage": True})
    status, body, headers = call(app, "POST", "commerce/product-updates/product", {"updates": [product("S-1")]})
    assert (status, body["code"], headers["Retry-After"]) == (503, "SIMULATED_OUTAGE", "1")
    call(app, "DELETE", "faults/commerce")
    assert ledger(app, "S-1") == []


def test_of_concurrent_requests_each_update_has_one_effect(app):
    skus = [f"S-{number}" for number in range(5)]
    with ThreadPoolExecutor(4) as clients:
        list(clients.map(lambda _: update(app, "product", *map(product, skus)), range(8)))
    assert [len(ledger(app, sku)) for sku in skus] == [1] * 5


def test_a_whole_product_still_replaces_all_parts(app):
    update(app, "product", product("S-1"))
    assert (
        call(
            app, "PUT", "commerce/products/S-1", {"name": "Tower", "unit_price": 1999, "currency": "EUR", "version": 3}
        )[0]
        == 200
    )
    assert call(app, "GET", "commerce/products/S-1")[1]["unit_price"] == 1999
