"""The tax service."""

from typing import Any

from orders.clients.responses import body_of
from setpieces import signed_client
from setpieces.errors import ExternalUnavailable

# The tax service has a deadline of its own for the tax system, and answers even without it.
TIMEOUT_SECONDS = 4.0
# The members of a quotation that are stored. A newer tax service may send more, and DynamoDB does not take all of JSON.
_QUOTATION = ("tax_total", "source", "rate_version", "quoted_at")
_LINE = ("sku", "tax", "rate")
_SHIP_TO = ("country", "region", "postal_code")


def quote_tax(order: dict[str, Any], price: dict[str, Any]) -> dict[str, Any] | None:
    """{tax_total, lines, source, rate_version, quoted_at}, None for an unknown destination. Raises ``ExternalUnavailable``."""
    request = {
        "order_number": order["order_number"],
        "currency": price["currency"],
        "ship_to": {name: order["ship_to"][name] for name in _SHIP_TO if name in order["ship_to"]},
        "lines": price["lines"],
    }
    answer = signed_client.call("tax", "POST", "/v1/quotations", body=request, timeout=TIMEOUT_SECONDS, repeatable=True)
    if answer.status == 422:
        return None
    quotation = body_of("tax", answer)
    try:
        lines = [{name: line[name] for name in _LINE} for line in quotation["lines"]]
        return {name: quotation[name] for name in _QUOTATION} | {"lines": lines}
    except (KeyError, TypeError) as error:
        raise ExternalUnavailable("tax", f"answered something else than a quotation: {error}") from error
