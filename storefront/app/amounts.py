"""Amounts and rates as text."""

from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision


def money(amount: int, currency: str) -> str:
    """Format an amount in minor units, with the decimals of its currency: 123450 is ``1,234.50 EUR`` or ``123,450 JPY``."""
    major_units = Decimal(amount).scaleb(-get_currency_precision(currency))
    return format_currency(major_units, currency, "#,##0.00 ¤¤", locale="en")


def percent(basis_points: int) -> str:
    """Format a rate: 770 is ``7.7 %``."""
    return f"{basis_points / 100:g} %"
