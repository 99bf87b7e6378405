"""What adding does to a basket, as tables and properties."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basket.domain import (
    LIFETIME_SECONDS,
    MAX_AMOUNT,
    MAX_LINES,
    MAX_QUANTITY,
    Basket,
    Idempotency,
    Line,
    Precondition,
    Product,
    RecordedResponse,
    add_item,
    change_item,
    find_recorded_response,
    first_version,
    price_line,
)
from basket.requests import AddItem
from basket.views import basket_view, totals_view
from basket.workflow import MAX_RECORDED_RESPONSES, add_once
from setpieces.errors import Refused
from setpieces.rest_api import status_of

NOW = 1_800_000_000
TOWER = Product("SP-1", 1999, "EUR", 7, True, 50, 10)
ANY = Precondition()


def basket(*quantities: int, **changes) -> Basket:
    lines = {f"SP-{n}": Line(quantity, 100, 1) for n, quantity in enumerate(quantities, 1)}
    return replace(Basket("b", 3, "EUR", lines, (), NOW + 10), **changes)


def add_one(
    stored_basket: Basket, product: Product, precondition: Precondition, idempotency: Idempotency
) -> tuple[Basket, RecordedResponse | None]:
    """The basket afterwards, and the response."""
    added = add_once(stored_basket, AddItem("b", product.sku, 1, precondition, idempotency), product, NOW)
    return added, find_recorded_response(added, idempotency)


def test_a_first_product_makes_the_basket():
    added = add_item(Basket("b"), TOWER, 2, NOW)
    assert added == Basket("b", first_version(NOW), "EUR", {"SP-1": Line(2, 1999, 7)}, (), NOW + LIFETIME_SECONDS)


def test_more_of_the_same_is_summed_at_the_present_price():
    assert add_item(basket(3), TOWER, 2, NOW).lines == {"SP-1": Line(5, 1999, 7)}


@pytest.mark.parametrize(
    ("stored_basket", "product", "quantity", "status", "code"),
    [
        (basket(), replace(TOWER, purchasable=False), 1, 409, "NOT_PURCHASABLE"),
        (basket(), replace(TOWER, stock=0), 1, 409, "INSUFFICIENT_STOCK"),
        (basket(3), replace(TOWER, stock=4), 2, 409, "INSUFFICIENT_STOCK"),
        (basket(), TOWER, 11, 422, "QUANTITY_LIMIT"),
        (basket(9), TOWER, 2, 422, "QUANTITY_LIMIT"),
        (basket(), replace(TOWER, max_per_customer=10**6, stock=10**6), MAX_QUANTITY + 1, 422, "QUANTITY_LIMIT"),
        (basket(), TOWER, 10**30, 422, "QUANTITY_LIMIT"),
        (basket(1), replace(TOWER, sku="SP-2", currency="USD"), 1, 409, "CURRENCY_MISMATCH"),
        (basket(*[1] * MAX_LINES), replace(TOWER, sku="SP-999"), 1, 409, "BASKET_FULL"),
    ],
)
def test_an_item_over_the_limits_is_refused(
    stored_basket: Basket, product: Product, quantity: int, status: int, code: str
):
    with pytest.raises(Refused) as refused:
        add_item(stored_basket, product, quantity, NOW)
    assert (status_of(refused.value), refused.value.code) == (status, code)


def test_a_full_basket_takes_more_of_what_it_has():
    assert add_item(basket(*[1] * MAX_LINES), TOWER, 1, NOW).lines["SP-1"].quantity == 2


@pytest.mark.parametrize("change", [add_item, change_item])
def test_a_line_in_another_currency_is_refused_beside_other_lines(change):
    with pytest.raises(Refused, match="CURRENCY_MISMATCH"):
        change(basket(1, 1), replace(TOWER, currency="SEK"), 1, NOW)


@pytest.mark.parametrize("change", [add_item, change_item])
def test_the_only_line_changes_currency_as_a_whole(change):
    changed = change(basket(1), replace(TOWER, currency="SEK"), 2, NOW)
    assert (changed.currency, changed.lines["SP-1"].unit_price) == ("SEK", TOWER.unit_price)


@pytest.mark.parametrize("change", [add_item, change_item])
def test_an_amount_over_the_limit_is_refused(change):
    stored_basket = basket(1, 1)  # 100 each
    quantity = 2 if change is change_item else 1
    most = replace(TOWER, unit_price=(MAX_AMOUNT - 100) // 2)
    assert change(stored_basket, most, quantity, NOW).amount == MAX_AMOUNT
    with pytest.raises(Refused) as refused:
        change(stored_basket, replace(most, unit_price=most.unit_price + 1), quantity, NOW)
    assert (status_of(refused.value), refused.value.code, refused.value.pointer) == (422, "TOTAL_LIMIT", "/quantity")


def test_a_free_product_is_sold():
    assert add_item(Basket("b"), replace(TOWER, unit_price=0), 3, NOW).amount == 0


def test_an_empty_basket_takes_any_currency():
    assert add_item(basket(), replace(TOWER, currency="USD"), 1, NOW).currency == "USD"


@pytest.mark.parametrize(("expires_at", "there"), [(NOW + 1, True), (NOW, False), (NOW - 1, False)])
def test_an_expired_basket_is_empty_and_its_version_increases(expires_at: int, there: bool):
    current = basket(1, expires_at=expires_at).as_of(NOW)
    assert (current.exists, current.version, bool(current.lines)) == (there, 3, there)


@pytest.mark.parametrize(
    ("precondition", "stored_basket", "met"),
    [
        (Precondition(), Basket("b"), True),
        (Precondition(), basket(), True),
        (Precondition(must_exist=True), basket(), True),
        (Precondition(must_exist=True), Basket("b"), False),
        (Precondition(frozenset({3}), True), basket(), True),
        (Precondition(frozenset({2, 3}), True), basket(), True),
        (Precondition(frozenset({2}), True), basket(), False),
        (Precondition(frozenset({3}), True), basket(expires_at=NOW).as_of(NOW), False),
    ],
)
def test_if_match(precondition: Precondition, stored_basket: Basket, met: bool):
    with nullcontext() if met else pytest.raises(Refused, match="BASKET_CHANGED"):
        precondition.check(stored_basket)


def test_a_repeated_request_gets_its_answer_and_changes_nothing():
    once = Idempotency("k", "r")
    first, response = add_one(Basket("b"), TOWER, ANY, once)
    later, _ = add_one(first, replace(TOWER, sku="SP-2"), ANY, Idempotency("k2", "r"))
    again, same = add_one(later, TOWER, Precondition(frozenset({99}), True), once)
    assert again is later
    assert same == response
    assert response
    assert response.status == 201
    with pytest.raises(Refused) as refused:
        add_one(later, TOWER, ANY, Idempotency("k", "other"))
    assert (status_of(refused.value), refused.value.code) == (409, "IDEMPOTENCY_KEY_REUSED")


def test_only_the_last_answers_are_kept():
    stored_basket = Basket("b")
    for n in range(MAX_RECORDED_RESPONSES + 5):
        stored_basket, _ = add_one(stored_basket, replace(TOWER, sku=f"SP-{n}"), ANY, Idempotency(str(n), "r"))
    assert [response.key for response in stored_basket.answers] == [
        str(n) for n in range(5, MAX_RECORDED_RESPONSES + 5)
    ]


def test_the_line_is_that_of_the_product_that_the_platform_returns():
    command = AddItem("b", "SP-2", 1, ANY, Idempotency("k", "r"))
    added = add_once(Basket("b"), command, TOWER, NOW)
    (response,) = added.answers
    assert list(added.lines) == ["SP-1"]
    assert response.body["item"]["sku"] == "SP-1"


quantities = st.integers(min_value=1, max_value=200)


@given(st.lists(st.tuples(st.integers(1, 3), quantities), max_size=30))
def test_totals_are_the_sum_of_the_accepted_quantities(requests: list[tuple[int, int]]):
    stored_basket = Basket("b")
    accepted: dict[str, int] = {}
    for n, quantity in requests:
        product = replace(TOWER, sku=f"SP-{n}", unit_price=n * 100)
        try:
            stored_basket = add_item(stored_basket, product, quantity, NOW)
        except Refused:
            continue
        accepted[product.sku] = accepted.get(product.sku, 0) + quantity
    assert {sku: line.quantity for sku, line in stored_basket.lines.items()} == accepted
    assert totals_view(stored_basket)["amount"] == sum(
        int(sku[3:]) * 100 * quantity for sku, quantity in accepted.items()
    )
    assert all(1 <= line.quantity <= TOWER.max_per_customer for line in stored_basket.lines.values())
    assert [item["sku"] for item in basket_view(stored_basket)["items"]] == sorted(accepted)


@given(quantities, quantities, st.booleans(), st.integers(0, 60))
def test_a_line_is_within_every_limit(quantity: int, limit: int, purchasable: bool, stock: int):
    product = replace(TOWER, purchasable=purchasable, stock=stock, max_per_customer=limit)
    try:
        line = price_line(product, quantity)
    except Refused:
        assert not purchasable or quantity > min(stock, limit, MAX_QUANTITY)
    else:
        assert purchasable
        assert line.quantity == quantity <= min(stock, limit, MAX_QUANTITY)
