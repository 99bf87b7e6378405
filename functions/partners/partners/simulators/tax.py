"""The tax provider: one rate per country, on net prices, each line rounded half up.

quotation {tax_total, lines: [{sku, tax, rate}], jurisdiction, rate_version}; amounts in minor units, rates in basis points
"""

from typing import Any

from partners.domain.operations import Call, Operation, Outcome
from partners.domain.schemas import CURRENCY, ID, array_of, integer, invalid, object_of, string

RATE_VERSION = "2026-01"
BASIS_POINTS = 10_000

# Standard rates of value added tax, and Canada's GST, as sample data: https://europa.eu/youreurope/business/taxation/vat/vat-rules-rates/
# fmt: off
RATES = {
    "AT": 2000, "BE": 2100, "BG": 2000, "CA": 500, "CH": 810, "CY": 1900, "CZ": 2100, "DE": 1900, "DK": 2500, "EE": 2400,
    "ES": 2100, "FI": 2550, "FR": 2000, "GB": 2000, "GR": 2400, "HR": 2500, "HU": 2700, "IE": 2300, "IT": 2200, "LT": 2100,
    "LU": 1700, "LV": 2100, "MT": 1800, "NL": 2100, "NO": 2500, "PL": 2300, "PT": 2300, "RO": 2100, "SE": 2500, "SI": 2200,
    "SK": 2300,
}
# fmt: on

LINE = object_of({"sku": ID, "quantity": integer(1, 100_000), "unit_price": integer(0)})
SHIP_TO = object_of(
    {"country": {"type": "string", "pattern": r"\A[A-Z]{2}\Z"}}, {"postal_code": string(20), "region": string(60)}
)
QUOTATION = object_of({"currency": CURRENCY, "ship_to": SHIP_TO, "lines": array_of(LINE, 1)})


def quote_tax(call: Call, stored: None) -> Outcome:
    """Raises ``HttpRefusal`` 422 for a country without a rate."""
    country = call.body["ship_to"]["country"]
    if country not in RATES:
        raise invalid("/ship_to/country", "has no tax rate", status=422, code="UNKNOWN_JURISDICTION")
    lines = [_tax_line(line, RATES[country]) for line in call.body["lines"]]
    total = sum(line["tax"] for line in lines)
    return Outcome(200, {"tax_total": total, "lines": lines, "jurisdiction": country, "rate_version": RATE_VERSION})


def list_rates(call: Call, stored: None) -> Outcome:
    return Outcome(200, {"rates": RATES, "rate_version": RATE_VERSION})


def _tax_line(line: dict[str, Any], rate: int) -> dict[str, Any]:
    net = line["unit_price"] * line["quantity"]
    return {"sku": line["sku"], "tax": (net * rate + BASIS_POINTS // 2) // BASIS_POINTS, "rate": rate}


OPERATIONS = (
    Operation("quote_tax", "POST", "tax/quotations", quote_tax, schema=QUOTATION),
    Operation("list_rates", "GET", "tax/rates", list_rates),
)
