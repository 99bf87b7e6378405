"""The basket's functions over moto."""

import json
import time
from typing import Any

import pytest

from basket import domain
from setpieces import dynamodb
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.service import Service
from tests.unit.basket.data import BASKET, ONE, PRODUCT

NOT_QUANTITIES: list[Any] = [0, -1, 1.0, 1.5, True, "1", None, [], {}, 1e400, -(10**40)]
NOT_SKUS: list[Any] = [
    *("", " SP-1", "-SP", "SP 1", "SP-1\n", "ÄB", "A" * 129, "../SP-1", "$input"),
    *(1, None, [], {}, True),
]


def stored(baskets: Service) -> dict[str, Any]:
    """The item of the only basket."""
    (item,) = baskets.items("Table")
    return item


def test_a_basket_from_first_to_last(baskets, send, commerce):
    status, body, headers = send("add_item", {"sku": "SP-1", "quantity": 2})
    assert status == 201
    assert body == {
        "basket_id": BASKET,
        "version": 1,
        "item": {"sku": "SP-1", "quantity": 2, "unit_price": 1999},
        "totals": {"lines": 1, "quantity": 2, "amount": 3998, "currency": "EUR"},
    }
    assert headers["ETag"] == '"1"'
    assert headers["Location"] == f"/basket/v1/baskets/{BASKET}/items/SP-1"
    assert send("add_item", ONE)[0] == 200
    _, contents, _ = send("show_basket")
    assert contents["items"] == [{"sku": "SP-1", "quantity": 3, "unit_price": 1999}]
    assert contents["status"] == "open"
    status, body, headers = send("change_item", {"quantity": 7}, "SP-1", if_match='"2"')
    assert (status, body["item"]["quantity"], headers["ETag"]) == (200, 7, '"3"')
    status, body, headers = send("remove_item", sku="SP-1", if_match='"1", "3"')
    assert (status, body, headers["ETag"]) == (204, None, '"4"')
    assert send("show_basket")[1]["items"] == []


def test_members_of_a_newer_version_are_stored_and_not_shown(baskets, send, commerce):
    """A canary of 10 % stores it, and the older version beside it changes the same basket."""
    send("add_item", ONE, idempotency_key="k-1")
    item = stored(baskets)
    item["newer"] = item["lines"]["SP-1"]["newer"] = item["answers"][0]["newer"] = "kept"
    baskets.put("Table", item)
    send("add_item", ONE, idempotency_key="k-2")
    send("change_item", {"quantity": 3}, "SP-1")
    _, contents, _ = send("show_basket")
    item = stored(baskets)
    assert [item["newer"], item["lines"]["SP-1"]["newer"], item["answers"][0]["newer"]] == ["kept"] * 3
    assert item["lines"]["SP-1"]["quantity"] == 3
    assert "newer" not in json.dumps(contents)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        '"x"',
        "{",
        '{"sku": "SP-1", "quantity": NaN}',
        '{"sku": "SP-1", "quantity": 1, "quantity": 2}',
        {},
        {"sku": "SP-1"},
        {"quantity": 1},
        ONE | {"extra": 1},
        *[ONE | {"quantity": quantity} for quantity in NOT_QUANTITIES],
        *[ONE | {"sku": sku} for sku in NOT_SKUS],
    ],
    ids=str,
)
def test_a_malformed_addition_is_a_400_and_calls_no_external_system(baskets, send, commerce, body):
    status, problem, headers = send("add_item", body)
    assert status == 400, problem
    assert headers["Content-Type"] == "application/problem+json"
    assert baskets.items("Table") == []
    assert commerce.calls == 0


@pytest.mark.parametrize("function", ["add_item", "change_item"])
def test_another_media_type_is_a_415(baskets, send, commerce, function: str):
    assert send(function, ONE, "SP-1", content_type="text/plain")[0] == 415


@pytest.mark.parametrize(
    "basket", ["", "mine", "x" * 21, "x" * 65, *(BASKET + end for end in (" b", "/b", "%2e", "ä", "*", "\n"))]
)
@pytest.mark.parametrize("function", ["add_item", "show_basket", "change_item", "remove_item"])
def test_an_invalid_basket_id_is_a_400(baskets, send, commerce, function: str, basket: str):
    body = {"add_item": ONE, "change_item": {"quantity": 1}}.get(function)
    assert send(function, body, "SP-1", basket=basket)[0] == 400


@pytest.mark.parametrize(
    ("response", "status", "code"),
    [
        (Answer(404, {}), 404, "UNKNOWN_SKU"),
        (Answer(410, {}), 404, "UNKNOWN_SKU"),
        (Answer(400, {}), 503, "COMMERCE_UNAVAILABLE"),
        (Answer(200, None), 503, "COMMERCE_UNAVAILABLE"),
        (Answer(200, PRODUCT | {"unit_price": "1"}), 503, "COMMERCE_UNAVAILABLE"),
        (Answer(200, PRODUCT | {"stock": True}), 503, "COMMERCE_UNAVAILABLE"),
        (ExternalUnavailable("commerce", "slow", timed_out=True), 503, "COMMERCE_UNAVAILABLE"),
        (ExternalUnavailable("commerce", "busy", retry_after=7), 503, "COMMERCE_UNAVAILABLE"),
        (Answer(200, PRODUCT | {"available": False}), 409, "NOT_PURCHASABLE"),
        (Answer(200, PRODUCT | {"status": "retired"}), 409, "NOT_PURCHASABLE"),
        (Answer(200, PRODUCT | {"stock": 2}), 409, "INSUFFICIENT_STOCK"),
        (Answer(200, PRODUCT | {"max_per_customer": 2}), 422, "QUANTITY_LIMIT"),
    ],
)
def test_an_item_that_the_platform_does_not_confirm_is_not_stored(
    baskets, send, commerce, response, status: int, code: str
):
    send("add_item", ONE)
    before = stored(baskets)
    commerce.answer = response
    for function, body in (("add_item", {"sku": "SP-1", "quantity": 3}), ("change_item", {"quantity": 3})):
        response_status, problem, headers = send(function, body, "SP-1")
        assert (response_status, problem["code"]) == (status, code)
        assert ("Retry-After" in headers) == (status == 503)
    assert stored(baskets) == before


def test_a_repeated_key_gets_the_same_answer_even_while_the_platform_is_down(baskets, send, commerce):
    first = send("add_item", ONE, idempotency_key="k1")
    commerce.answer = ExternalUnavailable("commerce", "down")
    assert send("add_item", ONE, idempotency_key="k1") == first
    status, problem, _ = send("add_item", {"sku": "SP-1", "quantity": 2}, idempotency_key="k1")
    assert (status, problem["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert send("show_basket")[1]["totals"]["quantity"] == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "k" * 256, "a\n"])
def test_a_malformed_key_is_a_400(baskets, send, commerce, key: str):
    assert send("add_item", ONE, idempotency_key=key)[0] == 400


@pytest.mark.parametrize("tag", ['"2"', "1", 'W/"1"', "x", "", '"1', '"99999999999999999999"'])
@pytest.mark.parametrize(
    ("function", "body"), [("add_item", ONE), ("change_item", {"quantity": 2}), ("remove_item", None)]
)
def test_a_version_other_than_if_match_is_a_412(baskets, send, commerce, function: str, body, tag: str):
    send("add_item", ONE)
    before = stored(baskets)
    assert send(function, body, "SP-1", if_match=tag)[0] == 412
    assert stored(baskets) == before


@pytest.mark.parametrize("sku", ["sp-1", "SP_1", "SP.DOT", "SP:COL", "A" * 128])
def test_every_sku_that_feeds_accept_can_be_bought(baskets, send, commerce, sku: str):
    commerce.answer = Answer(200, PRODUCT | {"sku": sku})
    assert send("add_item", {"sku": sku, "quantity": 1})[0] == 201
    in_path = sku.replace(":", "%3A")
    item = send("change_item", {"quantity": 2}, in_path)[1]["item"]
    assert (item["sku"], item["quantity"]) == (sku, 2)
    assert send("remove_item", None, in_path)[0] == 204


@pytest.mark.parametrize(("function", "body"), [("change_item", {"quantity": 2}), ("remove_item", None)])
def test_a_missing_item_is_a_404(baskets, send, commerce, function: str, body):
    assert send(function, body, "SP-1")[1]["code"] == "BASKET_NOT_FOUND"
    send("add_item", ONE)
    assert send(function, body, "SP-2")[1]["code"] == "LINE_NOT_FOUND"
    assert send(function, body, "sp-1")[1]["code"] == "LINE_NOT_FOUND"
    baskets.put("Table", stored(baskets) | {"expires_at": 1})
    assert send(function, body, "SP-1")[1]["code"] == "BASKET_NOT_FOUND"
    assert send("show_basket")[0] == 404
    status, body, _ = send("add_item", ONE)
    assert (status, body["version"], body["totals"]["quantity"]) == (201, 2, 1)


def test_a_basket_that_a_newer_version_stored_is_read(baskets, send, commerce):
    send("add_item", ONE)
    item = stored(baskets)
    item["later"] = item["lines"]["SP-1"]["later"] = item["answers"][0]["later"] = "x"
    baskets.put("Table", item)
    assert send("show_basket")[1]["totals"]["quantity"] == 1
    assert send("add_item", ONE)[0] == 200
    assert send("change_item", {"quantity": 5}, "SP-1")[0] == 200
    assert send("remove_item", sku="SP-1")[0] == 204


FIRST_VERSION = domain.first_version


def test_no_entity_tag_means_two_states_though_dynamodb_has_removed_the_basket(baskets, send, commerce, monkeypatch):
    monkeypatch.setattr(domain, "first_version", FIRST_VERSION)
    began = int(time.time())
    _, _, headers = send("add_item", {"sku": "SP-1", "quantity": 7})
    send("add_item", ONE)
    monkeypatch.setattr(time, "time", lambda: began + domain.LIFETIME_SECONDS + 1)
    dynamodb.delete_if(baskets.name("Table"), {"basket_id": BASKET})
    assert send("add_item", ONE)[0] == 201
    assert send("change_item", {"quantity": 2}, "SP-1", if_match=headers["ETag"])[0] == 412
    _, body, headers = send("add_item", ONE)
    assert send("change_item", {"quantity": 5}, "SP-1", if_match=headers["ETag"])[1]["version"] == body["version"] + 1
