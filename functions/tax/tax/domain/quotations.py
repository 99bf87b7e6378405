"""A request for a tax quotation, and a quotation from cached rates. Pure.

quotation  {tax_total, lines: [{sku, tax, rate}], source, rate_version, quoted_at}

Amounts are in minor units, prices without tax, rates in basis points.
"""

from dataclasses import dataclass, field
from typing import Any

from setpieces.errors import Refused

QUOTATION, CACHED_RATES = "quotation", "cached_rates"
BASIS_POINTS = 10_000


@dataclass(frozen=True)
class QuoteTax:
    """``ship_to`` is {country, region?, postal_code?}, each line {sku, quantity, unit_price}."""

    currency: str
    ship_to: dict[str, Any] = field(repr=False)
    lines: list[dict[str, Any]]


def quote_from_rates(command: QuoteTax, rates: dict[str, int], rate_version: str) -> dict[str, Any]:
    """A quotation at the standard rate of the destination's country, each line rounded half up.

    Raises ``Refused`` UNKNOWN_JURISDICTION for a country without a rate.
    """
    country = command.ship_to["country"]
    if country not in rates:
        raise unknown_jurisdiction()
    rate = rates[country]
    lines = [{"sku": line["sku"], "tax": line_tax(line, rate), "rate": rate} for line in command.lines]
    total = sum(line["tax"] for line in lines)
    return {"tax_total": total, "lines": lines, "source": CACHED_RATES, "rate_version": rate_version}


def line_tax(line: dict[str, Any], rate: int) -> int:
    """The tax of a line; half a minor unit is rounded up."""
    return (line["unit_price"] * line["quantity"] * rate + BASIS_POINTS // 2) // BASIS_POINTS


def unknown_jurisdiction() -> Refused:
    return Refused("UNKNOWN_JURISDICTION", "has no tax rate", "/ship_to/country")
