"""Prices: what adds up for any basket, currency, destination, delivery and vouchers, and how vouchers are split."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.domain.delivery import METHODS, quote_delivery
from orders.domain.pricing import Delivery, Line, Price, discount_by_vouchers, split
from orders.domain.quotations import Quotation, Terms, accept_vouchers, check_line
from orders.domain.snapshots import snapshot_of
from orders.views import quotation_view
from setpieces.errors import Refused

# Of 0, 2 and 3 decimals.
CURRENCIES = ("JPY", "EUR", "KWD")
COUNTRIES = ("DE", "CA", "NO", "AE")
TAX = {"source": "quotation", "rate_version": "v", "quoted_at": "2026-01-01"}
PRODUCT: dict[str, Any] = {
    "available": True,
    "status": "active",
    "currency": "EUR",
    "stock": 5,
    "max_per_customer": 5,
}


def tax_of(amount: int, rate: int) -> int:
    """As the tax service: half up."""
    return (amount * rate + 5000) // 10_000


@st.composite
def quotations(draw: st.DrawFn) -> Quotation:
    currency, country = draw(st.sampled_from(CURRENCIES)), draw(st.sampled_from(COUNTRIES))
    rates = st.integers(0, 2700)
    lines = []
    for number in range(draw(st.integers(1, 12))):
        unit_price, rate = draw(st.integers(0, 10**6)), draw(rates)
        lines.append(Line(f"P-{number}", "Tower", draw(st.integers(1, 99)), unit_price, tax_of(unit_price, rate), rate))
    subtotal = sum(line.amount for line in lines)
    delivery, rate = quote_delivery(draw(st.sampled_from(METHODS)), currency, subtotal), draw(rates)
    delivery = Delivery(delivery.method, delivery.amount, tax_of(delivery.amount, rate), rate)
    price = Price(currency, tuple(lines), delivery)
    values = draw(st.lists(st.integers(1, 2 * max(price.total, 1)), max_size=5))
    codes = tuple(f"CODE-{number}" for number in range(len(values)))
    vouchers: dict[str, dict[str, Any] | None] = {
        code: {"status": "ACTIVE", "value": value, "currency": currency}
        for code, value in zip(codes, values, strict=True)
    }
    paying, _ = accept_vouchers(codes, vouchers, currency, price.total, forfeit=draw(st.booleans()))
    terms = Terms("b", {"country": country}, delivery.method, codes)
    return Quotation("q", terms, 1, discount_by_vouchers(price, paying), TAX, True, 1_800_000_000)


@given(quotations())
def test_a_quotation_adds_up_as_it_is_shown(quotation: Quotation):
    view = quotation_view(quotation)
    lines, delivery, total_tax = view["lines"], view["delivery"], view["tax_total"]
    assert all(line["unit_price"] * line["quantity"] == line["line_total"] for line in lines)
    assert view["subtotal"] == sum(line["line_total"] for line in lines)
    assert total_tax == sum(line["tax"] for line in lines) + delivery["tax"]
    discounts = sum(discount["amount"] for discount in view["discounts"])
    added_tax = 0 if view["prices_include_tax"] else total_tax
    assert view["total"] == view["subtotal"] + delivery["amount"] + added_tax - discounts >= 0
    assert view["prices_include_tax"] == (quotation.terms.ship_to["country"] in ("DE", "NO"))


@given(quotations())
def test_both_ways_to_show_a_price_have_one_total(quotation: Quotation):
    totals = {
        quotation_view(Quotation("q", Terms("b", {"country": country}, "economy"), 1, quotation.price, TAX, True, 1))[
            "total"
        ]
        for country in COUNTRIES
    }
    assert totals == {quotation.price.total}


@given(quotations())
def test_discounts_are_split_over_lines_and_delivery_to_the_last_unit(quotation: Quotation):
    price = quotation.price
    shares = [(line.discount, line.amount + line.tax) for line in price.lines]
    shares.append((price.delivery.discount, price.delivery.amount + price.delivery.tax))
    assert sum(share for share, _ in shares) == price.discount_total
    assert all(0 <= share <= cost for share, cost in shares)


@given(quotations())
def test_a_snapshot_has_the_price_of_its_quotation(quotation: Quotation):
    order = snapshot_of(quotation)
    delivery, discounts = order["delivery"]["amount"], sum(each["amount"] for each in order["discounts"])
    assert order["amount"] == order["subtotal"] + delivery + order["tax"]["tax_total"] - discounts
    assert order["amount"] == quotation_view(quotation)["total"]
    assert order["subtotal"] == sum(line["quantity"] * line["unit_price"] for line in order["lines"])


@given(st.data(), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_a_split_is_exact_and_fair(data: st.DataObject, weights: list[int]):
    amount = data.draw(st.integers(0, sum(weights)))
    shares = split(amount, weights)
    assert sum(shares) == amount
    total = max(sum(weights), 1)
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share * total - amount * weight) < total
        assert share <= weight


@pytest.mark.parametrize(
    ("values", "forfeit", "amounts", "forfeited", "rejected"),
    [
        ([100, 200], True, [100, 200], [0, 0], []),
        ([900, 200], True, [900, 100], [0, 100], []),
        ([1000, 200], True, [1000], [0], [1]),
        ([1200, 200], True, [1000], [200], [1]),
        ([900, 200, 50], False, [900, 50], [0, 0], [1]),
        ([1000], False, [1000], [0], []),
    ],
)
def test_vouchers_pay_one_after_the_other_for_what_is_left(
    values: list[int], forfeit: bool, amounts: list[int], forfeited: list[int], rejected: list[int]
):
    codes = tuple(f"CODE-{number}" for number in range(len(values)))
    vouchers: dict[str, dict[str, Any] | None] = {
        code: {"status": "ACTIVE", "value": value, "currency": "EUR"} for code, value in zip(codes, values, strict=True)
    }
    paying, others = accept_vouchers(codes, vouchers, "EUR", 1000, forfeit=forfeit)
    price = discount_by_vouchers(Price("EUR", (Line("P", "Tower", 1, 1000),), Delivery("economy", 0)), paying)
    assert [each.amount for each in price.discounts] == amounts
    assert [each.forfeited for each in price.discounts] == forfeited
    assert [(each.position, each.code) for each in others] == [(n, "VOUCHER_EXCEEDS_TOTAL") for n in rejected]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"available": False}, "PRODUCT_UNAVAILABLE"),
        ({"status": "retired"}, "PRODUCT_UNAVAILABLE"),
        ({"currency": "SEK"}, "CURRENCY_MISMATCH"),
        ({"stock": 1}, "OUT_OF_STOCK"),
        ({"max_per_customer": 1}, "QUANTITY_LIMIT"),
    ],
)
def test_a_line_is_bought_as_the_platform_sells_it_now(change: dict[str, Any], reason: str):
    problem = check_line("P", 2, "EUR", PRODUCT | change)
    assert (problem.code if problem else "") == reason


@pytest.mark.parametrize(
    ("method", "currency", "subtotal", "amount"),
    [
        ("economy", "XXX", 1, 0),
        ("standard", "EUR", 4_999, 490),
        ("standard", "EUR", 5_000, 0),
        ("standard", "JPY", 7_999, 800),
        ("standard", "KWD", 15_000, 0),
        ("express", "EUR", 10**6, 1490),
    ],
)
def test_delivery_costs_what_the_table_says(method: str, currency: str, subtotal: int, amount: int):
    assert quote_delivery(method, currency, subtotal).amount == amount


@pytest.mark.parametrize(
    ("method", "currency", "code"),
    [("drone", "EUR", "UNKNOWN_DELIVERY_METHOD"), ("express", "XXX", "DELIVERY_UNAVAILABLE")],
)
def test_a_delivery_that_cannot_be_quoted_is_refused(method: str, currency: str, code: str):
    with pytest.raises(Refused, match=code):
        quote_delivery(method, currency, 1)
