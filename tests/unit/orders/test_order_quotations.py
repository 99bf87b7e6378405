"""Quotations, and orders that confirm them: what has changed since is never ordered."""

from collections.abc import Callable
from typing import Any

import pytest

from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer
from tests.faults import Faults
from tests.unit.orders.checkout import Checkout
from tests.unit.orders.data import BASKET, CODE, PRODUCT, REQUEST, TAX_QUOTATION, VOUCHER

OTHER_CODE = "3456789ABCDEFG"


def without(name: str) -> dict[str, str]:
    """The address of the request without one of its members."""
    return {key: text for key, text in REQUEST["ship_to"].items() if key != name}


def codes(response: Any) -> tuple[int, str]:
    return response.status, response.body["code"]


def test_a_quotation_is_the_full_price_of_a_basket(checkout: Checkout):
    quotation = checkout.confirm(delivery_method="express", voucher_codes=[f" {CODE[:4].lower()}-{CODE[4:]} "])
    assert len(quotation.pop("quotation_id")) == 43
    assert quotation == {
        "basket_id": REQUEST["basket_id"],
        "basket_version": 7,
        "currency": "EUR",
        "lines": [
            {
                "sku": "SP-1",
                "name": "Brick Tower",
                "quantity": 2,
                "unit_price": 2379,
                "line_total": 4758,
                "tax": 760,
                "discount": 729,
            }
        ],
        "subtotal": 4758,
        "discounts": [{"code_suffix": "CDEF", "amount": 1000, "forfeited": 0}],
        "delivery": {"method": "express", "amount": 1773, "tax": 283},
        "tax_total": 1043,
        "total": 5531,
        "prices_include_tax": True,
        "tax": {"source": "quotation", "rate_version": "v", "rates": [1900]},
        "expires_at": "2027-01-15T08:15:00Z",
    }


def test_a_quotation_takes_no_more_calls_than_necessary_and_holds_nothing(checkout: Checkout):
    checkout.quote()
    assert checkout.faults.calls == ["read basket", "GetItem", "read product", "quote tax", "PutItem"]


@pytest.mark.parametrize(
    ("state", "request_change", "status", "code", "pointer"),
    [
        ({"basket": Answer(404, {})}, {}, 404, "BASKET_NOT_FOUND", None),
        ({"basket": Answer(200, BASKET | {"items": []})}, {}, 422, "EMPTY_BASKET", "/basket_id"),
        ({"quotation": Answer(422, {})}, {}, 422, "UNSUPPORTED_DESTINATION", "/ship_to/country"),
        ({}, {"delivery_method": "drone"}, 422, "UNKNOWN_DELIVERY_METHOD", "/delivery_method"),
        ({"product": Answer(404, {})}, {}, 422, "PRODUCT_UNAVAILABLE", "/lines/SP-1"),
        ({"product": Answer(200, PRODUCT | {"stock": 1})}, {}, 422, "OUT_OF_STOCK", "/lines/SP-1"),
        ({"product": Answer(200, PRODUCT | {"max_per_customer": 1})}, {}, 422, "QUANTITY_LIMIT", "/lines/SP-1"),
        ({"product": Answer(200, PRODUCT | {"currency": "SEK"})}, {}, 422, "CURRENCY_MISMATCH", "/lines/SP-1"),
        ({"product": Answer(200, PRODUCT | {"unit_price": 10**12})}, {}, 422, "TOTAL_LIMIT", None),
        ({"product": Answer(200, PRODUCT | {"unit_price": 5 * 10**11})}, {}, 422, "TOTAL_LIMIT", None),
        ({"voucher": Answer(404, {})}, {"voucher_codes": ["X"]}, 422, "VOUCHER_NOT_FOUND", "/voucher_codes/0"),
        *(
            (
                {"voucher": Answer(200, VOUCHER | {"status": status})},
                {"voucher_codes": [CODE]},
                422,
                f"VOUCHER_{status}",
                "/voucher_codes/0",
            )
            for status in ("REDEEMED", "RESERVED", "EXPIRED", "NOT_YET_VALID", "CANCELLED")
        ),
        (
            {"voucher": Answer(200, VOUCHER | {"currency": "SEK"})},
            {"voucher_codes": [CODE]},
            422,
            "VOUCHER_CURRENCY",
            "/voucher_codes/0",
        ),
        ({}, {"voucher_codes": [CODE, CODE.lower()]}, 422, "VOUCHER_REPEATED", "/voucher_codes/1"),
        (
            {"voucher": Answer(200, VOUCHER | {"value": 9999})},
            {"voucher_codes": [CODE, OTHER_CODE]},
            422,
            "VOUCHER_EXCEEDS_TOTAL",
            "/voucher_codes/1",
        ),
        ({"basket": ExternalUnavailable("basket", "down")}, {}, 503, "ORDERS_UNAVAILABLE", None),
        ({"quotation": Answer(500, {})}, {}, 503, "ORDERS_UNAVAILABLE", None),
        ({"voucher": Answer(500, {})}, {"voucher_codes": [CODE]}, 503, "ORDERS_UNAVAILABLE", None),
        ({}, {"voucher_codes": ["A"] * 6}, 400, "INVALID_REQUEST", "/voucher_codes"),
        ({}, {"ship_to": {"country": "DE"}}, 400, "INVALID_REQUEST", "/ship_to/postal_code"),
        ({}, {"ship_to": {"country": "DE", "postal_code": "1", "name": "A"}}, 400, "INVALID_REQUEST", "/ship_to/name"),
    ],
)
def test_a_basket_that_cannot_be_ordered_is_not_quoted(
    checkout: Checkout,
    state: dict[str, Any],
    request_change: dict[str, Any],
    status: int,
    code: str,
    pointer: str | None,
):
    vars(checkout).update(state)
    response = checkout.quote(**request_change)
    assert codes(response) == (status, code), response
    assert [error["pointer"] for error in response.body.get("errors", [])] == ([pointer] if pointer else [])
    assert "PutItem" not in checkout.faults.calls


@pytest.mark.parametrize("country", ["CA", "AE"])
def test_prices_exclude_tax_where_the_destination_does(checkout: Checkout, country: str):
    quotation = checkout.confirm(ship_to={"country": country, "postal_code": "A1A 1A1"})
    assert (quotation["prices_include_tax"], quotation["lines"][0]["unit_price"]) == (False, 1999)
    assert quotation["total"] == quotation["subtotal"] + quotation["tax_total"] == 4758


def test_a_basket_is_not_quoted_while_an_order_of_it_is_in_progress(checkout: Checkout):
    checkout.submit_until_accepted()
    assert codes(checkout.quote()) == (409, "BASKET_ORDERED")
    checkout.deliver_all()
    checkout.stock.available += 2
    assert checkout.quote().status == 200


# --- orders of quotations ---


def test_an_order_is_a_snapshot_of_what_was_confirmed(checkout: Checkout):
    quotation = checkout.confirm(delivery_method="express", voucher_codes=[CODE])
    number = checkout.submit_until_accepted()
    order = checkout.order(number)
    checkout.basket = Answer(200, BASKET | {"items": []})
    checkout.product = Answer(200, PRODUCT | {"unit_price": 1})
    checkout.quotation = Answer(422, {})
    checkout.deliver_all()
    checkout.assert_one_order(number, "Sent to fulfillment")
    assert order["amount"] == checkout.payments[number].data["amount"] == quotation["total"]
    assert (order["customer_id"], order["email"]) == ("guest", "ada@shop.example")
    (line,) = order["lines"]
    assert (line["unit_price"], line["unit_tax"], line["name"]) == (1999, 380, "Brick Tower")
    (platform_order,) = checkout.platform_orders[number]
    assert platform_order["totals"]["amount"] == quotation["total"]


def later(checkout: Checkout) -> None:
    checkout.clock.now += 15 * 60


def change(**state: Any) -> Callable[[Checkout], None]:
    return lambda checkout: vars(checkout).update(state)


CHANGES = {
    "price": change(product=Answer(200, PRODUCT | {"unit_price": 2000})),
    "lower price": change(product=Answer(200, PRODUCT | {"unit_price": 1})),
    "stock": change(product=Answer(200, PRODUCT | {"stock": 1})),
    "retired": change(product=Answer(200, PRODUCT | {"status": "retired"})),
    "limit": change(product=Answer(200, PRODUCT | {"max_per_customer": 1})),
    "currency": change(product=Answer(200, PRODUCT | {"currency": "SEK"})),
    "quantity": change(basket=Answer(200, BASKET | {"items": [BASKET["items"][0] | {"quantity": 1}]})),
    "tax": change(quotation=Answer(200, TAX_QUOTATION | {"lines": [{"sku": "SP-1", "tax": 381, "rate": 1905}]})),
    "voucher": change(voucher=Answer(200, VOUCHER | {"status": "REDEEMED"})),
    "voucher's value": change(voucher=Answer(200, VOUCHER | {"value": 999})),
    "time": later,
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_no_longer_holds_is_confirmed_again_and_nothing_is_ordered(checkout: Checkout, kind: str):
    first = checkout.confirm(voucher_codes=[CODE])
    CHANGES[kind](checkout)
    response = checkout.submit()
    assert codes(response) == (409, "QUOTATION_CHANGED")
    assert (checkout.statuses, "next number" in checkout.faults.calls) == ({}, False)
    quotation = response.body["quotation"]
    assert quotation["quotation_id"] != first["quotation_id"]
    has_problem = kind in ("stock", "retired", "limit", "currency")
    assert bool(quotation["problems"]) == has_problem
    assert [each["code"] for each in quotation["rejected_vouchers"]] == (
        ["VOUCHER_REDEEMED"] if kind == "voucher" else []
    )
    checkout.request = checkout.request | {"quotation_id": quotation["quotation_id"]}
    assert checkout.submit(key="another").status == (409 if has_problem else 202)


@pytest.mark.parametrize(("remainder", "rejected"), [("Refuse", ["VOUCHER_EXCEEDS_TOTAL"]), ("Forfeit", [])])
def test_a_voucher_that_is_worth_more_since_a_price_fell_is_confirmed_again(
    checkout: Checkout, remainder: str, rejected: list[str]
):
    checkout.service.variables["VOUCHER_REMAINDER"] = remainder
    checkout.voucher = Answer(200, VOUCHER | {"value": 4000})
    assert checkout.confirm(voucher_codes=[CODE])["discounts"][0]["amount"] == 4000
    CHANGES["lower price"](checkout)
    response = checkout.submit()
    assert codes(response) == (409, "QUOTATION_CHANGED")
    quotation = response.body["quotation"]
    assert [each["code"] for each in quotation["rejected_vouchers"]] == rejected
    assert len(quotation["discounts"]) == 1 - len(rejected)
    assert (quotation["total"] == 0) == (not rejected)
    checkout.request = checkout.request | {"quotation_id": quotation["quotation_id"]}
    assert checkout.submit(key="another").status == 202


def test_another_destination_than_the_quoted_one_is_confirmed_again(checkout: Checkout):
    checkout.confirm()
    elsewhere = REQUEST["ship_to"] | {"postal_code": "99999"}
    response = checkout.submit(ship_to=elsewhere)
    assert codes(response) == (409, "QUOTATION_CHANGED")
    checkout.request = checkout.request | {"quotation_id": response.body["quotation"]["quotation_id"]}
    assert codes(checkout.submit(key="another")) == (409, "QUOTATION_CHANGED")
    assert checkout.submit(key="third", ship_to=elsewhere | {"name": "A"}).status == 202


def test_what_a_product_is_called_and_where_its_tax_rate_is_from_may_change(checkout: Checkout):
    checkout.confirm()
    checkout.product = Answer(200, PRODUCT | {"name": "Tower"})
    checkout.quotation = Answer(200, TAX_QUOTATION | {"source": "cached_rates", "rate_version": "w"})
    assert checkout.submit().status == 202


def test_the_confirmed_price_is_checked_by_the_reservation_if_the_platform_does_not_send_its_product(
    checkout: Checkout,
):
    checkout.product = Answer(200, PRODUCT | {"unit_price": 2500})
    quotation = checkout.confirm()
    checkout.product = Answer(500, {})
    number = checkout.submit_until_accepted()
    order = checkout.order(number)
    assert (order["prices_checked"], order["amount"]) == (False, quotation["total"])
    checkout.reservation = Answer(409, {"code": "OUT_OF_STOCK", "lines": [{"sku": "SP-1", "code": "PRICE_CHANGED"}]})
    checkout.deliver_all()
    assert checkout.order(number)["reason_code"] == "PRICE_CHANGED"
    assert checkout.reserved["lines"] == [{"sku": "SP-1", "quantity": 2, "unit_price": 2500, "currency": "EUR"}]


def test_a_quotation_is_ordered_once(checkout: Checkout):
    quotation = checkout.confirm()
    number = checkout.submit_until_accepted()
    assert checkout.submit_until_accepted() == number
    assert codes(checkout.submit(key="another")) == (409, "BASKET_ORDERED")
    checkout.deliver_all()
    checkout.assert_one_order(number, "Sent to fulfillment")
    assert codes(checkout.submit(key="another", quotation_id=quotation["quotation_id"])) == (409, "BASKET_ORDERED")


def test_a_quotation_whose_order_ends_before_a_second_one_is_stored_is_ordered_once(checkout: Checkout, faults: Faults):
    checkout.confirm()

    def order_and_complete() -> None:
        assert checkout.submit(key="another").status == 202
        checkout.deliver_all()

    faults.meanwhile("TransactWriteItems", order_and_complete)
    assert codes(checkout.submit()) == (409, "BASKET_ORDERED")
    (number,) = checkout.statuses
    checkout.assert_one_order(number, "Sent to fulfillment")


def test_concurrent_requests_with_one_key_are_one_order_also_if_the_first_has_ordered_the_quotation(
    checkout: Checkout, faults: Faults
):
    checkout.confirm()
    first = []
    faults.meanwhile("GetItem", lambda: first.append(checkout.submit()), skip=1)
    response = checkout.submit()
    assert (response.status, response.body) == (202, first[0].body)


def test_two_quotations_of_a_basket_are_one_order(checkout: Checkout):
    first = checkout.confirm()
    checkout.confirm()
    number = checkout.submit_until_accepted()
    checkout.deliver("SubmitQueue")
    # The first order has reserved all that is in stock.
    checkout.product = Answer(200, PRODUCT | {"stock": 0})
    assert codes(checkout.submit(key="another", quotation_id=first["quotation_id"])) == (409, "BASKET_ORDERED")
    checkout.deliver_all()
    checkout.assert_one_order(number, "Sent to fulfillment")


@pytest.mark.parametrize("wait", [0, 90_000])
def test_an_unknown_or_removed_quotation_is_a_404(checkout: Checkout, wait: int):
    quotation = checkout.confirm()
    checkout.clock.now += wait
    unknown = {} if wait else {"quotation_id": "A" * 32}
    assert codes(checkout.submit(**unknown)) == (404, "QUOTATION_NOT_FOUND")
    assert quotation["quotation_id"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"payment_token": None}, "/payment_token"),
        ({"email": None}, "/email"),
        ({"ship_to": without("name")}, "/ship_to/name"),
        ({"ship_to": without("street")}, "/ship_to/street"),
        ({"ship_to": without("city")}, "/ship_to/city"),
        ({"email": "a\x00b@shop.example"}, "/email"),
        ({"basket_id": "b"}, "/basket_id"),
    ],
)
def test_an_order_of_a_quotation_names_how_it_is_paid_who_is_mailed_and_where_it_is_delivered(
    checkout: Checkout, change: dict[str, Any], pointer: str
):
    checkout.confirm()
    body = {name: value for name, value in (checkout.request | change).items() if value is not None}
    checkout.request = body
    response = checkout.submit()
    assert codes(response) == (400, "INVALID_REQUEST")
    assert [error["pointer"] for error in response.body["errors"]] == [pointer]
    assert checkout.statuses == {}


def test_a_customer_needs_no_email(checkout: Checkout):
    checkout.customer = "C000000007"
    checkout.confirm()
    del checkout.request["email"]
    number = checkout.submit_until_accepted()
    assert (checkout.order(number)["customer_id"], "email" in checkout.order(number)) == ("C000000007", False)
    checkout.deliver_all()
    assert checkout.reserved["customer_id"] == "C000000007"


@pytest.mark.parametrize(("first", "second"), [("", "C000000007"), ("C000000007", "")])
def test_a_quotation_that_is_ordered_again_after_signing_in_or_out_is_one_order(
    checkout: Checkout, first: str, second: str
):
    checkout.confirm()
    body = {name: value for name, value in checkout.request.items() if name != "customer_id"}
    headers = {"Idempotency-Key": "k"}

    def submit(customer: str) -> Any:
        authorizer = {"customer_id": customer, "roles": ""}
        return checkout.service.call("submit_order", body, headers=headers, authorizer=authorizer)

    assert submit(first).status == 202
    assert codes(submit(second)) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert submit(first).status == 202


def test_a_free_order_is_completed_without_a_token_and_without_the_provider(checkout: Checkout):
    checkout.voucher = Answer(200, VOUCHER | {"value": 5000})
    quotation = checkout.confirm(voucher_codes=[CODE])
    assert (quotation["total"], quotation["discounts"][0]["forfeited"]) == (0, 242)
    del checkout.request["payment_token"]
    number = checkout.place_and_process()
    checkout.assert_one_order(number, "Sent to fulfillment")
    assert "find charge" not in checkout.faults.calls
    assert checkout.platform_orders[number][0]["charge_id"] == f"free-{number}"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"reservation": Answer(409, {"code": "OUT_OF_STOCK", "lines": []})}, "OUT_OF_STOCK"),
        ({"taken": True}, "VOUCHER_UNAVAILABLE"),
        ({"gone": True}, "BASKET_NOT_FOUND"),
    ],
)
def test_an_order_that_cannot_hold_what_it_needs_fails_and_gives_all_back(
    checkout: Checkout, state: dict[str, Any], reason: str
):
    checkout.confirm(voucher_codes=[CODE])
    if "taken" in state:
        checkout.hold_voucher(CODE, "T100000999")
    if "gone" in state:
        checkout.basket_is_gone = True
    checkout.reservation = state.get("reservation")
    number = checkout.place_and_process()
    if "taken" in state:
        assert checkout.vouchers[CODE].held == {"T100000999": (1, 0)}
        checkout.vouchers.clear()
    checkout.assert_one_order(number, "Validation failed")
    assert checkout.order(number)["reason_code"] == reason
    assert checkout.published == []
