"""Baskets and quotations from which no order has a price."""

from typing import Any

import pytest

from orders.domain.pricing import InvalidOrder, add_tax, price_basket
from tests.unit.orders.data import BASKET, PRICE, QUOTATION


def test_an_order_costs_its_lines_and_their_tax():
    assert add_tax(price_basket(BASKET), QUOTATION) == PRICE


@pytest.mark.parametrize(
    ("basket", "quotation", "reason"),
    [
        (None, QUOTATION, "BASKET_NOT_FOUND"),
        (BASKET | {"items": []}, QUOTATION, "EMPTY_BASKET"),
        (BASKET, None, "UNSUPPORTED_DESTINATION"),
    ],
)
def test_an_order_without_lines_or_tax_is_invalid(
    basket: dict[str, Any] | None, quotation: dict[str, Any] | None, reason: str
):
    with pytest.raises(InvalidOrder, match=reason):
        add_tax(price_basket(basket), quotation)
