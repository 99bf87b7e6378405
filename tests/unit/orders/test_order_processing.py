"""Messages of the submit queue: validation, price and tax of an order, the request of its payment, and its completion."""

from typing import Any

import pytest

from orders.clients import commerce
from orders.domain.statuses import STATUSES
from setpieces.external import Answer
from tests.faults import Fault
from tests.unit.orders.checkout import SUBMIT, SUBMIT_DEAD_LETTERS, Checkout
from tests.unit.orders.data import BASKET, LINES, PRODUCT, SNAPSHOT


def test_a_new_order_is_priced_and_its_payment_requested(checkout: Checkout):
    number = checkout.submit_until_accepted()
    checkout.deliver(SUBMIT)
    order = checkout.order(number)
    assert order["backend_status"] == "Payment processing"
    assert (order["subtotal"], order["amount"], order["currency"]) == (3998, 4758, "EUR")
    assert order["lines"] == SNAPSHOT["lines"]
    assert [event.kind[2] for event in checkout.published] == ["SUBMIT"]


def test_a_paid_order_is_put_on_the_platform_and_completed_once(checkout: Checkout):
    number = checkout.store_order("Payment authorized")
    for _ in range(2):
        checkout.send(SUBMIT, {"order_number": number})
        checkout.deliver(SUBMIT)
    assert len(checkout.platform_orders[number]) == 1
    assert [event.kind[2] for event in checkout.published] == ["COMPLETE"]
    assert checkout.order(number)["backend_status"] == "Sent to fulfillment"


@pytest.mark.parametrize("status", [name for name, status in STATUSES.items() if status.terminal])
def test_an_order_in_a_terminal_status_is_unchanged(checkout: Checkout, status: str):
    number = checkout.store_order(status)
    for _ in range(3):
        checkout.send(SUBMIT, {"order_number": number})
        checkout.deliver(SUBMIT)
    assert checkout.statuses == {number: [status]}
    assert (checkout.published, checkout.platform_orders) == ([], {})


@pytest.mark.parametrize(
    ("responses", "reason"),
    [
        ({"basket": Answer(404, {})}, "BASKET_NOT_FOUND"),
        ({"basket": Answer(200, BASKET | {"items": []})}, "EMPTY_BASKET"),
        ({"product": Answer(404, {})}, "PRODUCT_UNAVAILABLE"),
        ({"product": Answer(200, PRODUCT | {"available": False})}, "PRODUCT_UNAVAILABLE"),
        ({"product": Answer(200, PRODUCT | {"status": "retired"})}, "PRODUCT_UNAVAILABLE"),
        ({"product": Answer(200, PRODUCT | {"stock": 1})}, "OUT_OF_STOCK"),
        ({"product": Answer(200, PRODUCT | {"unit_price": 2000})}, "PRICE_CHANGED"),
        ({"product": Answer(200, PRODUCT | {"unit_price": 1})}, "PRICE_CHANGED"),
        ({"product": Answer(200, PRODUCT | {"currency": "CHF"})}, "PRICE_CHANGED"),
        ({"product": Answer(200, PRODUCT | {"max_per_customer": 1})}, "QUANTITY_LIMIT"),
        ({"quotation": Answer(422, {})}, "UNSUPPORTED_DESTINATION"),
    ],
)
def test_an_invalid_order_fails_with_its_reason_and_is_never_paid(
    checkout: Checkout, responses: dict[str, Answer], reason: str
):
    vars(checkout).update(responses, customer="C000000001")
    number = checkout.place_and_process()
    checkout.send(SUBMIT, {"order_number": number})
    checkout.deliver_all()
    checkout.assert_one_order(number, "Validation failed")
    assert "reserve stock" not in checkout.faults.calls
    assert checkout.order(number)["reason_code"] == reason
    assert "payment_token" not in checkout.order(number)
    assert checkout.published == []


@pytest.mark.parametrize("product", [Answer(500, {}), Answer(200, []), Answer(200, {"unit_price": "1"}), None])
def test_an_order_has_the_prices_of_the_basket_if_the_platform_does_not_send_its_products(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], product: Answer | None
):
    if product:
        checkout.product = product
    else:
        checkout.faults.schedule({2: Fault.UNAVAILABLE})
    checkout.assert_one_order(checkout.place_and_process(), "Sent to fulfillment")
    assert '"ProductsUnchecked":[1.0]' in capsys.readouterr().out


def test_the_most_expensive_lines_are_checked_first(checkout: Checkout, monkeypatch: pytest.MonkeyPatch):
    """A slow platform sends some products only: cheap lines do not keep expensive ones from being checked."""
    cheap = [{"sku": f"SP-{number}", "quantity": 1, "unit_price": 1} for number in range(2, 100)]
    expensive = {"sku": "SP-100", "quantity": 3, "unit_price": 1900}
    checkout.basket = Answer(200, BASKET | {"items": [*cheap, *LINES, expensive]})
    checked: list[str] = []

    def read_products(skus: list[str]) -> dict[str, Any]:
        checked.extend(skus)
        return {}

    monkeypatch.setattr(commerce, "read_products", read_products)
    checkout.submit(key=None)
    assert checked[:2] == ["SP-100", "SP-1"]
    assert len(checked) == 100


def test_the_payment_token_is_removed_once_the_order_is_paid(checkout: Checkout):
    number = checkout.submit_until_accepted()
    checkout.deliver(SUBMIT)
    assert checkout.order(number)["payment_token"] == "tok_ok"
    checkout.deliver_all()
    assert "payment_token" not in checkout.order(number)


@pytest.mark.parametrize("number", ["tok_4242", ["tok_4242"], None])
def test_a_message_about_an_unknown_order_is_a_dead_letter_whose_detail_does_not_repeat_its_number(
    checkout: Checkout, number: Any
):
    checkout.send(SUBMIT, {"order_number": number})
    checkout.deliver(SUBMIT)
    (dead_letter,) = checkout.queues[SUBMIT_DEAD_LETTERS]
    assert dead_letter.attributes["reason"] == "UNKNOWN_ORDER"
    assert "tok_4242" not in dead_letter.attributes["detail"]


def test_a_dead_letter_of_an_order_whose_payment_was_requested_does_not_fail_the_order(checkout: Checkout):
    number = checkout.submit_until_accepted()
    checkout.deliver(SUBMIT)
    checkout.send(SUBMIT_DEAD_LETTERS, {"order_number": number})
    checkout.deliver(SUBMIT_DEAD_LETTERS)
    assert checkout.public_statuses(number) == ["Processing"]
    checkout.deliver_all()
    checkout.assert_one_order(number, "Sent to fulfillment")
