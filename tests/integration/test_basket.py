"""Baskets over HTTP against the running shop."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tools.client import Shop, new_basket_id, unique, with_retries


@pytest.fixture
def basket() -> str:
    return f"/basket/v1/baskets/{new_basket_id('b')}"


@pytest.fixture
def sku(products: list[dict]) -> str:
    return products[0]["sku"]


def add(shop: Shop, basket: str, sku: str, quantity: int = 1, **headers: str) -> httpx.Response:
    """The final response to a client that retries with the same idempotency key."""
    once = {"Idempotency-Key": unique("add")} | headers
    return with_retries(lambda: add_now(shop, basket, sku, quantity, **once))


def add_now(shop: Shop, basket: str, sku: str, quantity: int = 1, **headers: str) -> httpx.Response:
    """The response to a single request, without retries."""
    return shop.call("POST", f"{basket}/items", json={"sku": sku, "quantity": quantity}, headers=headers)


def change(shop: Shop, basket: str, sku: str, quantity: int, **headers: str) -> httpx.Response:
    return shop.call("PATCH", f"{basket}/items/{sku}", json={"quantity": quantity}, headers=headers)


def put_product(shop: Shop, **changes) -> str:
    """The SKU of a product of its own."""
    sku = unique("ZZ").upper()[:32]
    product = {
        "sku": sku,
        "name": "Test Tower",
        "unit_price": 1999,
        "currency": "EUR",
        "available": True,
        "stock": 100,
        "max_per_customer": 99,
        "price_version": 1,
        "version": 1,
    } | changes
    response = with_retries(lambda: shop.call("PUT", f"/partners/v1/commerce/products/{sku}", json=product))
    assert response.status_code in (200, 201), response.text
    return sku


def test_a_basket_from_first_to_last(shop: Shop, basket: str, products: list[dict]):
    first, second = products[0], products[1]
    assert shop.call("GET", basket).status_code == 404
    added = add(shop, basket, first["sku"])
    assert added.status_code == 201
    assert added.headers["location"] == f"{basket}/items/{first['sku']}"
    assert added.headers["etag"] == f'"{added.json()["version"]}"'
    assert set(added.json()) == {"basket_id", "version", "item", "totals"}
    assert added.json()["item"] == {"sku": first["sku"], "quantity": 1, "unit_price": first["unit_price"]}
    assert add(shop, basket, first["sku"]).status_code == 200
    assert add(shop, basket, second["sku"]).status_code == 201
    response = shop.call("GET", basket)
    assert response.json()["totals"] == {
        "lines": 2,
        "quantity": 3,
        "amount": 2 * first["unit_price"] + second["unit_price"],
        "currency": first["currency"],
    }
    line = f"{basket}/items/{first['sku']}"
    stale = with_retries(lambda: change(shop, basket, first["sku"], 1, **{"If-Match": added.headers["etag"]}))
    assert stale.status_code == 412
    changed = change(shop, basket, first["sku"], 1, **{"If-Match": response.headers["etag"]})
    assert changed.status_code == 200
    assert changed.json()["item"]["quantity"] == 1
    gone = shop.call("DELETE", line)
    assert (gone.status_code, gone.content) == (204, b"")
    assert shop.call("DELETE", line).status_code == 404
    assert [item["sku"] for item in shop.call("GET", basket).json()["items"]] == [second["sku"]]


def test_the_same_key_adds_once_also_at_the_same_time(shop: Shop, basket: str, sku: str):
    key = unique("key")
    with ThreadPoolExecutor(8) as clients:
        responses = list(clients.map(lambda _: add(shop, basket, sku, 1, **{"Idempotency-Key": key}), range(16)))
    assert {(response.status_code, response.text) for response in responses} == {(201, responses[0].text)}
    assert shop.call("GET", basket).json()["totals"]["quantity"] == 1
    other = add(shop, basket, sku, 2, **{"Idempotency-Key": key})
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")


def test_adding_at_the_same_time_sums(shop: Shop, basket: str):
    sku = put_product(shop)
    with ThreadPoolExecutor(8) as clients:
        responses = list(clients.map(lambda _: add(shop, basket, sku), range(24)))
    assert sorted(response.status_code for response in responses) == [200] * 23 + [201]
    versions = sorted(response.json()["version"] for response in responses)
    assert versions == list(range(versions[0], versions[0] + 24))
    response = shop.call("GET", basket).json()
    assert (response["version"], response["totals"]["quantity"]) == (versions[-1], 24)


def test_limits(shop: Shop, basket: str):
    scarce, limited = put_product(shop, stock=3), put_product(shop, max_per_customer=2)
    gone = put_product(shop, available=False)
    first = add(shop, basket, scarce, 3)
    assert first.status_code == 201
    for sku, quantity, status, code in (
        (scarce, 1, 409, "INSUFFICIENT_STOCK"),
        (limited, 3, 422, "QUANTITY_LIMIT"),
        (gone, 1, 409, "NOT_PURCHASABLE"),
        ("NO-SUCH-SKU", 1, 404, "UNKNOWN_SKU"),
    ):
        response = add(shop, basket, sku, quantity)
        assert (response.status_code, response.json()["code"]) == (status, code)
    patched = with_retries(lambda: change(shop, basket, scarce, 4))
    assert (patched.status_code, patched.json()["code"]) == (409, "INSUFFICIENT_STOCK")
    assert shop.call("GET", basket).json()["version"] == first.json()["version"]


@pytest.mark.parametrize("fault", [{"latency_ms": 10_000}, {"outage": True}, {"error_rate": 1}])
def test_a_slow_or_failing_platform_is_a_503_in_time_and_no_change(shop: Shop, basket: str, sku: str, fault: dict):
    """Of the functions themselves, before they are ended: API Gateway's own answer would be another. Both are warm."""
    add(shop, basket, sku)
    assert with_retries(lambda: change(shop, basket, sku, 2)).status_code == 200
    before = shop.call("GET", basket).text
    with shop.faults("commerce", **fault):
        responses = [add_now(shop, basket, sku), change(shop, basket, sku, 3)]
        assert shop.call("GET", basket).text == before
    for response in responses:
        assert response.status_code == 503
        assert response.json()["code"] == "COMMERCE_UNAVAILABLE"
        assert int(response.headers["retry-after"]) > 0
    assert shop.call("GET", basket).text == before


def test_an_expired_basket_is_gone_though_its_item_is_there(shop: Shop, basket: str, sku: str):
    add(shop, basket, sku, 2)
    table, key = shop.address("basket", "table-name"), {"basket_id": {"S": basket.rpartition("/")[2]}}
    shop.aws("dynamodb").update_item(
        TableName=table,
        Key=key,
        UpdateExpression="SET expires_at = :past",
        ExpressionAttributeValues={":past": {"N": str(int(time.time()) - 1)}},
    )
    assert shop.call("GET", basket).status_code == 404
    assert shop.call("PATCH", f"{basket}/items/{sku}", json={"quantity": 1}).status_code == 404
    # Without a key, which is optional.
    fresh = add_now(shop, basket, sku)
    assert (fresh.status_code, fresh.json()["totals"]["quantity"]) == (201, 1)


def set_order(shop: Shop, basket: str, state: str, order: str, **members) -> httpx.Response:
    """The response to the orders service, which says how its order of the basket stands."""
    path = f"{basket.replace('/v1/', '/v1/internal/')}/orders/{order}"
    return with_retries(lambda: shop.call("PUT", path, json={"state": state, **members}, sign=True))


def new_order_number() -> str:
    """A number far above those of orders that are placed."""
    return f"T9{secrets.randbelow(10**11):011}"


def test_a_basket_is_held_by_its_order_and_back_when_it_fails(shop: Shop, basket: str, sku: str):
    before = add(shop, basket, sku, 2).json()
    order, other = new_order_number(), new_order_number()
    assert set_order(shop, basket, "in_progress", order).json()["state"] == "in_progress"
    ordered = shop.call("GET", basket).json()
    assert (ordered["status"], ordered["order_number"]) == ("ordered", order)
    refused = [add_now(shop, basket, sku), change(shop, basket, sku, 1), shop.call("DELETE", f"{basket}/items/{sku}")]
    refused.append(set_order(shop, basket, "in_progress", other))
    assert {(response.status_code, response.json()["code"]) for response in refused} == {(409, "BASKET_ORDERED")}
    assert set_order(shop, basket, "failed", order).status_code == 200
    after = shop.call("GET", basket).json()
    assert (after["status"], after["totals"]) == ("open", before["totals"])
    # A late duplicate.
    assert set_order(shop, basket, "in_progress", order).json()["state"] == "closed"
    assert add(shop, basket, sku).status_code == 200


def test_a_complete_order_takes_its_pieces_and_an_empty_basket_is_gone(shop: Shop, basket: str, sku: str):
    add(shop, basket, sku, 3)
    for quantity, remaining in ((2, 1), (1, None)):
        order = new_order_number()
        set_order(shop, basket, "in_progress", order)
        lines = [{"sku": sku, "quantity": quantity}]
        assert set_order(shop, basket, "complete", order, lines=lines).status_code == 200
        contents = shop.call("GET", basket)
        assert contents.status_code == (200 if remaining else 404)
        assert not remaining or contents.json()["totals"]["quantity"] == remaining
    assert add(shop, basket, sku).json()["totals"]["quantity"] == 1


def test_one_of_many_orders_holds_a_basket(shop: Shop, basket: str, sku: str):
    add(shop, basket, sku)
    orders = [new_order_number() for _ in range(8)]
    with ThreadPoolExecutor(8) as clients:
        responses = list(clients.map(lambda order: set_order(shop, basket, "in_progress", order), orders))
    assert sorted(response.status_code for response in responses) == [200] + [409] * 7


def test_only_a_signed_request_sets_the_order_of_a_basket(shop: Shop, basket: str, sku: str):
    add(shop, basket, sku)
    path = f"{basket.replace('/v1/', '/v1/internal/')}/orders/{new_order_number()}"
    assert shop.call("PUT", path, json={"state": "in_progress"}).status_code == 404
    assert shop.call("GET", basket).json()["status"] == "open"


def test_a_basket_has_one_currency(shop: Shop, basket: str):
    first, second = put_product(shop, unit_price=1000), put_product(shop, unit_price=1000)
    add(shop, basket, first)
    add(shop, basket, second)
    crowns = {"sku": second, "name": "Test Tower", "unit_price": 11500, "currency": "SEK", "available": True}
    crowns |= {"stock": 100, "max_per_customer": 99, "price_version": 2, "version": 2}
    assert shop.call("PUT", f"/partners/v1/commerce/products/{second}", json=crowns).status_code in (200, 201)
    responses = [with_retries(lambda: change(shop, basket, second, 2)), add(shop, basket, second)]
    assert {(response.status_code, response.json()["code"]) for response in responses} == {(409, "CURRENCY_MISMATCH")}
    assert shop.call("GET", basket).json()["totals"]["amount"] == 2000
    shop.call("DELETE", f"{basket}/items/{first}")
    totals = with_retries(lambda: change(shop, basket, second, 2)).json()["totals"]
    assert (totals["amount"], totals["currency"]) == (23000, "SEK")


def test_a_free_product_is_sold_and_an_amount_has_a_limit(shop: Shop, basket: str):
    free, dear = put_product(shop, unit_price=0), put_product(shop, unit_price=10**10)
    assert add(shop, basket, free, 2).json()["totals"]["amount"] == 0
    assert add(shop, basket, dear, 50).status_code == 201
    responses = [add(shop, basket, dear, 1), with_retries(lambda: change(shop, basket, dear, 51))]
    assert {(response.status_code, response.json()["code"]) for response in responses} == {(422, "TOTAL_LIMIT")}
    assert shop.call("GET", basket).json()["totals"]["amount"] == 5 * 10**11


def test_a_browser_may_ask_first(shop: Shop, basket: str):
    response = shop.call("OPTIONS", f"{basket}/items", headers={"Origin": "https://shop.example"})
    assert response.status_code == 204
    assert "Idempotency-Key" in response.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/items", 404), ("PUT", "", 404), ("DELETE", "", 404), ("GET", "%2Fx", 400), ("GET", "/../..", 404)],
)
def test_an_unknown_route_is_a_problem(shop: Shop, basket: str, method: str, path: str, status: int):
    response = shop.call(method, basket + path)
    assert response.status_code in (status, 403, 404)
    assert response.headers["content-type"] == "application/problem+json"
