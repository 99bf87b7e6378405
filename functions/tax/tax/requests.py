"""Requests to tax, parsed into commands."""

from setpieces.errors import Refused
from setpieces.fields import COUNTRY, CURRENCY, MONEY, SKU, text, whole_number
from setpieces.json_body import JsonBody
from setpieces.postal import lacks_postal_code
from setpieces.rest_api import Request
from tax.domain.quotations import QuoteTax

MAX_LINES = 100
MAX_AMOUNT = MONEY["maximum"]

_TEXT = {"type": "string", "description": "a text"}
_LINE = {
    "type": "object",
    "required": ["sku", "quantity", "unit_price"],
    "properties": {"sku": SKU, "quantity": whole_number(1, 100_000), "unit_price": MONEY},
    "additionalProperties": False,
    "description": "a line",
}
QUOTATION_REQUEST = JsonBody(
    {
        "type": "object",
        "required": ["currency", "ship_to", "lines"],
        "properties": {
            "order_number": _TEXT,
            "currency": CURRENCY,
            "ship_to": {
                "type": "object",
                "required": ["country"],
                "properties": {"country": COUNTRY, "postal_code": text(1, 20), "region": text(1, 60)},
                "description": "an address",
            },
            "lines": {
                "type": "array",
                "items": _LINE,
                "minItems": 1,
                "maxItems": MAX_LINES,
                "description": f"1 to {MAX_LINES} lines",
            },
        },
        "additionalProperties": False,
    }
)


def parse_quote_tax(request: Request) -> QuoteTax:
    """Raises ``Refused`` INVALID_REQUEST."""
    body = QUOTATION_REQUEST.parse(request)
    if lacks_postal_code(body["ship_to"]):
        raise Refused("INVALID_REQUEST", "is required", "/ship_to/postal_code")
    if sum(line["quantity"] * line["unit_price"] for line in body["lines"]) > MAX_AMOUNT:
        raise Refused("INVALID_REQUEST", f"must cost at most {MAX_AMOUNT} minor units in all", "/lines")
    return QuoteTax(body["currency"], body["ship_to"], body["lines"])
