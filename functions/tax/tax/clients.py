"""The tax system, an external system."""

from typing import Any

from setpieces import external
from setpieces.errors import ExternalUnavailable
from tax.domain.quotations import BASIS_POINTS, QUOTATION, QuoteTax, unknown_jurisdiction

SYSTEM = "tax"
QUOTE_SECONDS = 1.5
RATES_SECONDS = 3.0


class QuotationRefused(Exception):
    """The tax system refused one request; others may succeed."""


def request_quotation(command: QuoteTax) -> dict[str, Any]:
    """A quotation of the tax system.

    Raises ``ExternalUnavailable``, ``QuotationRefused``, ``Refused`` UNKNOWN_JURISDICTION.
    """
    body = {"currency": command.currency, "ship_to": command.ship_to, "lines": command.lines}
    answer = external.call(SYSTEM, "POST", "quotations", body=body, timeout=QUOTE_SECONDS, repeatable=True)
    if answer.status == 422:
        raise unknown_jurisdiction()
    if 400 <= answer.status < 500:
        raise QuotationRefused(f"answered {answer.status}")
    if answer.status != 200:
        raise ExternalUnavailable(SYSTEM, f"answered {answer.status}")
    try:
        lines = [{name: line[name] for name in ("sku", "tax", "rate")} for line in answer.body["lines"]]
        total, version = answer.body["tax_total"], str(answer.body["rate_version"])
        if any(type(tax) is not int or tax < 0 for tax in (total, *(line["tax"] for line in lines))):
            raise ValueError("a tax is not a whole number")
        if any(type(line["rate"]) is not int for line in lines):
            raise ValueError("a rate is not in basis points")
        if total != sum(line["tax"] for line in lines) or len(lines) != len(command.lines):
            raise ValueError("the lines do not add up")
    except (KeyError, TypeError, ValueError) as error:
        raise ExternalUnavailable(SYSTEM, f"answered something else than a quotation: {error}") from error
    return {"tax_total": total, "lines": lines, "source": QUOTATION, "rate_version": version}


def fetch_rates() -> tuple[dict[str, int], str]:
    """(rates in basis points by country, version). Raises ``ExternalUnavailable``."""
    answer = external.call(SYSTEM, "GET", "rates", timeout=RATES_SECONDS)
    try:
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        rates = {str(country): rate for country, rate in answer.body["rates"].items()}
        if not rates or any(type(rate) is not int or not 0 <= rate <= BASIS_POINTS for rate in rates.values()):
            raise ValueError("a rate is not in basis points")
        return rates, str(answer.body["rate_version"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ExternalUnavailable(SYSTEM, f"answered something else than rates: {error}") from error
