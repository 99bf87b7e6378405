"""Amounts and rates as text."""

from decimal import Decimal

from babel.numbers import format_currency, get_currency_precision
from iso4217 import Currency


def money(amount: int, currency: str) -> str:
    """Format an amount in minor units, with the decimals of its currency: 123450 is ``1,234.50 EUR`` or ``123,450 JPY``."""
    decimals = minor_unit_digits(currency)
    pattern = f"#,##0{'.' * bool(decimals)}{'0' * decimals} ¤¤"
    return format_currency(Decimal(amount).scaleb(-decimals), currency, pattern, locale="en", currency_digits=False)


def minor_unit_digits(currency: str) -> int:
    """The decimals of ISO 4217, which all amounts of the shop are in: 2 for HUF, which CLDR shows without decimals.

    A code that ISO 4217 does not list, or lists without a minor unit (gold), has those of CLDR.
    """
    try:
        digits = Currency(currency).exponent
    except ValueError:
        digits = None
    return get_currency_precision(currency) if digits is None else digits


def percent(basis_points: int) -> str:
    """Format a rate: 770 is ``7.7 %``."""
    return f"{basis_points / 100:g} %"
