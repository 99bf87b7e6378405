"""Responses of the services and external systems that processing calls."""

from typing import Any

import pytest

from orders.clients import commerce, concurrency
from orders.clients.basket import begin_order, read_basket
from orders.clients.commerce import read_products
from orders.clients.tax import quote_tax
from orders.clients.vouchers import read_vouchers
from orders.domain.locks import BasketNotFound
from orders.domain.pricing import Delivery, Line, Price
from setpieces import external, signed_client
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer


@pytest.mark.parametrize("status", [400, 404])
def test_an_unknown_or_invalid_basket_id_has_no_basket(monkeypatch: pytest.MonkeyPatch, status: int):
    monkeypatch.setattr(signed_client, "call", lambda *_, **__: Answer(status, {"code": "REFUSED"}))
    assert read_basket("mine") is None


HOLDER = {"basket_id": "b", "order_number": "T100000001", "attempt": 0}
STATE = {"state": "in_progress", "attempt": 0}


@pytest.mark.parametrize(
    ("statuses", "order", "sent"),
    [
        ([200], HOLDER | {"basket_version": 7}, [STATE | {"basket_version": 7}]),
        ([200], HOLDER, [STATE]),
        ([400, 200], HOLDER | {"basket_version": 7}, [STATE | {"basket_version": 7}, STATE]),
    ],
    ids=["now", "an older order", "an older basket service"],
)
def test_a_basket_is_held_in_the_version_that_was_ordered(
    monkeypatch: pytest.MonkeyPatch, statuses: list[int], order: dict[str, Any], sent: list[dict[str, Any]]
):
    answers, bodies = iter(statuses), []

    def call(*_: Any, body: Any, timeout: float) -> Answer:
        bodies.append(body)
        return Answer(next(answers), {})

    monkeypatch.setattr(signed_client, "call", call)
    begin_order(order)
    assert bodies == sent


@pytest.mark.parametrize("status", [400, 404])
def test_a_basket_that_is_gone_or_sold_is_not_held(monkeypatch: pytest.MonkeyPatch, status: int):
    monkeypatch.setattr(signed_client, "call", lambda *_, **__: Answer(status, {"code": "REFUSED"}))
    with pytest.raises(BasketNotFound):
        begin_order(HOLDER | {"basket_version": 7})


def test_all_products_of_a_basket_are_read_before_one_deadline(monkeypatch: pytest.MonkeyPatch):
    """A line is checked or left out: a slow platform takes two seconds for any number of lines."""
    clock = [0.0]
    monkeypatch.setattr(concurrency, "AT_ONCE", 1)
    monkeypatch.setattr(commerce.time, "monotonic", lambda: clock[0])

    def call(system: str, method: str, *path: str, timeout: float) -> Answer:
        clock[0] += 0.25
        if timeout <= 0 or path[1] == "P-3":
            raise ExternalUnavailable(system, "no answer")
        product = {"unit_price": 1, "currency": "EUR", "stock": 1, "max_per_customer": 1}
        return Answer(404, {}) if path[1] == "P-2" else Answer(200, product)

    monkeypatch.setattr(external, "call", call)
    skus = [f"P-{number}" for number in range(1, 101)]
    products = read_products(skus)
    assert set(products) == {f"P-{number}" for number in (1, 2, 4, 5, 6, 7, 8)}
    assert products["P-2"] is None


TAX = {"tax_total": 19, "source": "quotation", "rate_version": "v", "quoted_at": "2026-01-01T12:00:00+00:00"}
TAX_LINE = {"sku": "P-1", "tax": 19, "rate": 1900}
PRICE = Price("EUR", (Line("P-1", "Tower", 2, 100),), Delivery("economy", 0))


def quote(monkeypatch: pytest.MonkeyPatch, response: Answer) -> tuple[Price, dict[str, Any]]:
    monkeypatch.setattr(signed_client, "call", lambda *_, **__: response)
    return quote_tax(PRICE, {"country": "DE"})


def test_a_line_has_the_tax_of_one_piece_for_each_piece(monkeypatch: pytest.MonkeyPatch):
    """A newer tax service may send more, such as a share: DynamoDB does not take a float."""
    newer = TAX | {"share": 0.19, "lines": [TAX_LINE | {"share": 0.19}]}
    price, tax = quote(monkeypatch, Answer(200, newer))
    assert [(line.unit_tax, line.tax, line.rate) for line in price.lines] == [(19, 38, 1900)]
    assert tax == {name: TAX[name] for name in ("source", "rate_version", "quoted_at")}


@pytest.mark.parametrize(
    "body",
    [
        {},
        TAX,
        TAX | {"lines": [1]},
        TAX | {"lines": None},
        TAX | {"lines": []},
        TAX | {"lines": [TAX_LINE | {"tax": 0.5}]},
    ],
)
def test_a_response_that_is_no_quotation_is_an_unavailable_service(monkeypatch: pytest.MonkeyPatch, body: object):
    with pytest.raises(ExternalUnavailable):
        quote(monkeypatch, Answer(200, body))


@pytest.mark.parametrize("body", [{}, [], {"status": "ACTIVE"}, {"status": 1, "value": 1, "currency": "EUR"}])
def test_a_response_that_is_no_voucher_is_an_unavailable_service(monkeypatch: pytest.MonkeyPatch, body: object):
    monkeypatch.setattr(signed_client, "call", lambda *_, **__: Answer(200, body))
    with pytest.raises(ExternalUnavailable):
        read_vouchers(["CODE"])
