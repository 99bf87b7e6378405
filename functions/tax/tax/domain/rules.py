"""What a quotation is asked with, and how one is made of rates. Pure.

request    {order_number, currency, ship_to: {country, region?, postal_code}, lines: [{sku, quantity, unit_price}]}
quotation  {tax_total, lines: [{sku, tax, rate}], source, rate_version, quoted_at}

Amounts are in minor units, prices without tax, rates in basis points.
"""

import re
from typing import Any

from setpieces.postal import COUNTRY
from setpieces.problems import Problem, invalid
from setpieces.rest_api import Request

QUOTATION, CACHED_RATES = "quotation", "cached_rates"
MAX_LINES = 100
BASIS_POINTS = 10_000
_MEMBERS = ("order_number", "currency", "ship_to", "lines")
_LINE = ("sku", "quantity", "unit_price")
_BOUNDS = {"quantity": (1, 100_000), "unit_price": (0, 10**12)}
_CURRENCY = re.compile(r"[A-Z]{3}")


def asked(request: Request) -> dict[str, Any]:
    """The body of a request for a quotation. Raises ``Problem`` 400."""
    sent = request.json()
    for name in sent:
        if name not in _MEMBERS:
            raise invalid(f"/{name}", "is not a member of this request")
    _check(isinstance(sent.get("order_number"), str), "/order_number", "must be a text")
    _check(_matches(_CURRENCY, sent.get("currency")), "/currency", "must be a currency code (ISO 4217)")
    ship_to: Any = sent.get("ship_to")
    _check(isinstance(ship_to, dict), "/ship_to", "must be an address")
    _check(_matches(COUNTRY, ship_to.get("country")), "/ship_to/country", "must be a country code (ISO 3166-1)")
    postal_code = ship_to.get("postal_code")
    _check(isinstance(postal_code, str) and 1 <= len(postal_code) <= 20, "/ship_to/postal_code", "must be a text")
    lines: Any = sent.get("lines")
    _check(isinstance(lines, list) and 1 <= len(lines) <= MAX_LINES, "/lines", f"must be 1 to {MAX_LINES} lines")
    for position, line in enumerate(lines):
        _check(isinstance(line, dict) and set(line) == set(_LINE), f"/lines/{position}", "must be a line")
        _check(isinstance(line["sku"], str), f"/lines/{position}/sku", "must be a text")
        for name, (least, most) in _BOUNDS.items():
            whole = type(line[name]) is int and least <= line[name] <= most
            _check(whole, f"/lines/{position}/{name}", f"must be a whole number from {least} to {most}")
    return sent


def from_rates(request: dict[str, Any], rates: dict[str, int], rate_version: str) -> dict[str, Any]:
    """A quotation at the standard rate of the destination's country, each line rounded half up.

    Raises ``Problem`` 422 for a country without a rate.
    """
    country = request["ship_to"]["country"]
    if country not in rates:
        raise unknown_jurisdiction()
    rate = rates[country]
    lines = [{"sku": line["sku"], "tax": tax(line, rate), "rate": rate} for line in request["lines"]]
    total = sum(line["tax"] for line in lines)
    return {"tax_total": total, "lines": lines, "source": CACHED_RATES, "rate_version": rate_version}


def tax(line: dict[str, Any], rate: int) -> int:
    """Tax of a line, half a minor unit rounded up."""
    return (line["unit_price"] * line["quantity"] * rate + BASIS_POINTS // 2) // BASIS_POINTS


def unknown_jurisdiction() -> Problem:
    """422."""
    return invalid("/ship_to/country", "has no tax rate", status=422, code="UNKNOWN_JURISDICTION")


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _check(holds: bool, pointer: str, message: str) -> None:
    if not holds:
        raise invalid(pointer, message)
