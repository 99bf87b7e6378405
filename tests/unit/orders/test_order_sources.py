"""What other services answer to processing."""

import pytest

from orders.clients import commerce
from orders.clients.basket import read_basket
from orders.clients.commerce import read_products
from orders.clients.tax import quote_tax
from setpieces import external, signed_client
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer


@pytest.mark.parametrize("status", [400, 404])
def test_an_id_without_a_basket_and_one_that_no_basket_can_have_are_no_basket(
    monkeypatch: pytest.MonkeyPatch, status: int
):
    monkeypatch.setattr(signed_client, "call", lambda *_, **__: Answer(status, {"code": "REFUSED"}))
    assert read_basket("mine") is None


def test_all_products_of_a_basket_are_read_within_one_deadline(monkeypatch: pytest.MonkeyPatch):
    """A line is checked or left out; a slow platform costs two seconds, however many lines there are."""
    clock = [0.0]
    monkeypatch.setattr(commerce, "PRODUCTS_AT_ONCE", 1)
    monkeypatch.setattr(commerce.time, "monotonic", lambda: clock[0])

    def call(system: str, method: str, *path: str, timeout: float) -> Answer:
        clock[0] += 0.25
        if timeout <= 0 or path[1] == "P-3":
            raise ExternalUnavailable(system, "no answer")
        known = {"unit_price": 1, "currency": "EUR", "stock": 1, "max_per_customer": 1}
        return Answer(404, {}) if path[1] == "P-2" else Answer(200, known)

    monkeypatch.setattr(external, "call", call)
    skus = [f"P-{number}" for number in range(1, 101)]
    products = read_products(skus)
    assert set(products) == {f"P-{number}" for number in (1, 2, 4, 5, 6, 7, 8)}
    assert products["P-2"] is None


TAX = {"tax_total": 19, "source": "quotation", "rate_version": "v", "quoted_at": "2026-01-01T12:00:00+00:00"}
TAX_LINE = {"sku": "P-1", "tax": 19, "rate": 1900}


def quoted(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> object:
    monkeypatch.setattr(signed_client, "call", lambda *_, **__: answer)
    return quote_tax({"order_number": "T1", "ship_to": {"country": "DE"}}, {"currency": "EUR", "lines": []})


def test_of_a_quotation_only_what_is_known_is_stored(monkeypatch: pytest.MonkeyPatch):
    """A newer tax service may tell more, such as a share, which DynamoDB does not take."""
    newer = TAX | {"share": 0.19, "lines": [TAX_LINE | {"share": 0.19}]}
    assert quoted(monkeypatch, Answer(200, newer)) == TAX | {"lines": [TAX_LINE]}


@pytest.mark.parametrize("body", [{}, TAX, TAX | {"lines": [1]}, TAX | {"lines": None}, {"lines": []}])
def test_what_is_no_quotation_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, body: object):
    with pytest.raises(ExternalUnavailable):
        quoted(monkeypatch, Answer(200, body))
