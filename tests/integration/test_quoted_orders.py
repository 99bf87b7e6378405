"""Orders of quotations over HTTP: the price that was confirmed, and what an order holds until it has ended."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.integration.checkouts import ADDRESS, body, ended, fill_basket, inside, submit, wait_until_closed
from tools.client import Shop, unique, with_retries
from tools.drivers.customers import session_headers
from tools.drivers.products import change_price, sell, stock_of
from tools.drivers.vouchers import create_batch, download_file, wait_for_batch

DESTINATION = {name: ADDRESS[name] for name in ("country", "postal_code")}


@pytest.fixture(scope="module")
def codes(shop: Shop) -> list[str]:
    """Codes of vouchers over 10.00 EUR."""
    admin = session_headers(shop, shop.samples["admin"])
    path = create_batch(shop, admin, count=12, value=1000, currency="EUR")
    return download_file(wait_for_batch(shop, admin, path)).decode().split()


def quote(shop: Shop, basket: str, **changes: Any) -> httpx.Response:
    request = {"basket_id": basket, "ship_to": DESTINATION} | changes
    return with_retries(lambda: shop.call("POST", "/orders/v1/quotations", json=request))


def quoted(shop: Shop, basket: str, **changes: Any) -> dict[str, Any]:
    response = quote(shop, basket, **changes)
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    quotation: dict[str, Any] = response.json()
    return quotation


def order(shop: Shop, quotation: dict[str, Any], **changes: Any) -> httpx.Response:
    request = {
        "quotation_id": quotation["quotation_id"],
        "payment_token": "tok_ok",
        "email": "ada.sample@example.com",
        "ship_to": ADDRESS,
    } | changes
    return submit(shop, request, **{"Idempotency-Key": unique("order")})


def show_basket(shop: Shop, basket: str) -> httpx.Response:
    return with_retries(lambda: shop.call("GET", f"/basket/v1/baskets/{basket}"))


def voucher_status(shop: Shop, code: str) -> str:
    return str(with_retries(lambda: shop.call("GET", f"/vouchers/v1/vouchers/{code}")).json()["status"])


def test_the_total_that_is_shown_is_the_total_that_is_charged(shop: Shop, codes: list[str]):
    product, code = sell(shop, "QUOTED", stock=5), codes[0]
    basket = fill_basket(shop, product, 3)
    quotation = quoted(shop, basket, delivery_method="express", voucher_codes=[code])
    assert quotation["prices_include_tax"]
    assert quotation["discounts"] == [{"code_suffix": code[-4:], "amount": 1000, "forfeited": 0}]
    number = order(shop, quotation).json()["order_number"]
    assert ended(shop, number)["status"] == "Complete"
    (charge,) = shop.ledger("charges", number)
    (platform_order,) = shop.ledger("platform-orders", number)
    assert charge["amount"] == platform_order["totals"]["amount"] == quotation["total"]
    wait_until_closed(shop, number)
    assert voucher_status(shop, code) == "REDEEMED"
    assert show_basket(shop, basket).status_code == 404
    assert stock_of(shop, product["sku"]) == {"received": 5, "sold": 3, "reserved": 0, "available": 2}


def test_a_declined_order_gives_basket_voucher_and_stock_back(shop: Shop, codes: list[str]):
    product, code = sell(shop, "DECLINED", stock=2), codes[1]
    basket = fill_basket(shop, product, 2)
    number = order(shop, quoted(shop, basket, voucher_codes=[code]), payment_token="tok_declined").json()[
        "order_number"
    ]
    assert ended(shop, number)["reason_code"] == "PAYMENT_DECLINED"
    wait_until_closed(shop, number)
    assert show_basket(shop, basket).json()["status"] == "open"
    assert [line["quantity"] for line in show_basket(shop, basket).json()["items"]] == [2]
    assert voucher_status(shop, code) == "ACTIVE"
    assert stock_of(shop, product["sku"]) == {"received": 2, "sold": 0, "reserved": 0, "available": 2}
    number = order(shop, quoted(shop, basket, voucher_codes=[code])).json()["order_number"]
    assert ended(shop, number)["status"] == "Complete"


def test_a_changed_price_is_confirmed_again_and_nothing_is_ordered_before(shop: Shop):
    product = sell(shop, "CHANGED")
    basket = fill_basket(shop, product)
    quotation = quoted(shop, basket)
    change_price(shop, product, 2500)
    response = order(shop, quotation)
    assert (response.status_code, response.json()["code"]) == (409, "QUOTATION_CHANGED")
    new = response.json()["quotation"]
    assert (new["problems"], new["rejected_vouchers"]) == ([], [])
    assert new["total"] > quotation["total"]
    number = order(shop, new).json()["order_number"]
    assert ended(shop, number)["status"] == "Complete"
    assert inside(shop, number)["amount"] == new["total"]


def test_vouchers_that_pay_for_all_make_an_order_free(shop: Shop, codes: list[str]):
    basket = fill_basket(shop, sell(shop, "FREE"))
    quotation = quoted(shop, basket, voucher_codes=codes[2:5])
    assert (quotation["total"], quotation["discounts"][-1]["forfeited"]) == (0, 3000 - quotation["subtotal"])
    response = order(shop, quotation, payment_token="tok_declined")
    number = response.json()["order_number"]
    assert ended(shop, number)["status"] == "Complete"
    assert shop.ledger("charges", number) == []
    assert shop.ledger("platform-orders", number)[0]["charge_id"] == f"free-{number}"


def test_a_basket_has_one_order_in_progress(shop: Shop):
    basket = fill_basket(shop, sell(shop, "ONCE"))
    quotations = [quoted(shop, basket) for _ in range(2)]
    with shop.faults("payments", error_rate=1):
        number = order(shop, quotations[0]).json()["order_number"]
        responses = [order(shop, quotations[0]), order(shop, quotations[1]), submit(shop, body(basket))]
        responses.append(quote(shop, basket))
        assert [(each.status_code, each.json()["code"]) for each in responses] == [(409, "BASKET_ORDERED")] * 4
    assert ended(shop, number)["status"] == "Complete"
    assert len(shop.ledger("charges", number)) == 1


def test_one_of_many_buyers_gets_the_last_piece(shop: Shop):
    product = sell(shop, "LAST", stock=1)
    quotations = [quoted(shop, fill_basket(shop, product)) for _ in range(8)]
    with ThreadPoolExecutor(8) as buyers:
        responses = list(buyers.map(lambda quotation: order(shop, quotation), quotations))
    accepted = [each.json()["order_number"] for each in responses if each.status_code == 202]
    refused = [each.json() for each in responses if each.status_code != 202]
    assert {(each["code"], each["quotation"]["problems"][0]["code"]) for each in refused} <= {
        ("QUOTATION_CHANGED", "OUT_OF_STOCK")
    }
    ends = [ended(shop, number) for number in accepted]
    assert sorted(each.get("reason_code", "COMPLETE") for each in ends) == ["COMPLETE"] + ["OUT_OF_STOCK"] * (
        len(accepted) - 1
    )
    assert sum(len(shop.ledger("charges", number)) for number in accepted) == 1
    for number in accepted:
        wait_until_closed(shop, number)
    assert stock_of(shop, product["sku"]) == {"received": 1, "sold": 1, "reserved": 0, "available": 0}


def test_a_voucher_is_used_by_one_of_two_orders(shop: Shop, codes: list[str]):
    product = sell(shop, "VOUCHER")
    quotations = [quoted(shop, fill_basket(shop, product), voucher_codes=[codes[6]]) for _ in range(2)]
    responses = [order(shop, quotation) for quotation in quotations]
    accepted = [each.json()["order_number"] for each in responses if each.status_code == 202]
    ends = [ended(shop, number).get("reason_code") for number in accepted]
    assert ends in ([None], [None, "VOUCHER_UNAVAILABLE"], ["VOUCHER_UNAVAILABLE", None])
    if len(accepted) == 1:
        (rejected,) = responses[1].json()["quotation"]["rejected_vouchers"]
        assert rejected["code"] in ("VOUCHER_RESERVED", "VOUCHER_REDEEMED")


@pytest.mark.parametrize(
    ("country", "includes_tax", "rates"), [("DE", True, [1900]), ("CA", False, [500]), ("NO", True, [2500])]
)
def test_a_destination_decides_how_prices_are_shown(shop: Shop, country: str, includes_tax: bool, rates: list[int]):
    basket = fill_basket(shop, sell(shop, "SHOWN"))
    quotation = quoted(shop, basket, ship_to={"country": country, "postal_code": "1000"})
    assert (quotation["prices_include_tax"], quotation["tax"]["rates"]) == (includes_tax, rates)
    assert quotation["total"] == quotation["subtotal"] + (0 if includes_tax else quotation["tax_total"])


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"payment_token": None}, 400, "INVALID_REQUEST"),
        ({"email": None}, 400, "INVALID_REQUEST"),
        ({"ship_to": ADDRESS | {"name": "A\nB"}}, 400, "INVALID_REQUEST"),
        ({"customer_id": "C000000001"}, 403, "CUSTOMER_MISMATCH"),
        ({"quotation_id": "A" * 43}, 404, "QUOTATION_NOT_FOUND"),
    ],
    ids=str,
)
def test_an_order_that_cannot_be_placed_leaves_the_quotation_as_it_was(
    shop: Shop, wrong: dict[str, Any], status: int, code: str
):
    quotation = quoted(shop, fill_basket(shop, sell(shop, "WRONG")))
    request = {
        "quotation_id": quotation["quotation_id"],
        "payment_token": "tok_ok",
        "email": "ada.sample@example.com",
        "ship_to": ADDRESS,
    } | wrong
    response = submit(shop, {name: value for name, value in request.items() if value is not None})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert order(shop, quotation).status_code == 202
