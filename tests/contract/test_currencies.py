"""Currencies: the commerce platform has products in those that orders has delivery fees in, all of ISO 4217."""

import pytest
from iso4217 import Currency

from orders.domain.delivery import FEES
from partners.simulators.products import CURRENCIES


def test_the_platform_takes_prices_in_the_currencies_of_delivery_fees():
    assert sorted(FEES) == CURRENCIES


@pytest.mark.parametrize("currency", FEES)
def test_a_currency_of_delivery_fees_has_a_minor_unit(currency: str):
    assert Currency(currency).exponent is not None
