"""Requests to tax, parsed into commands."""

from setpieces.fields import COUNTRY, CURRENCY, text, whole_number
from setpieces.json_body import JsonBody
from setpieces.rest_api import Request
from tax.domain.quotations import QuoteTax

MAX_LINES = 100

_TEXT = {"type": "string", "description": "a text"}
_LINE = {
    "type": "object",
    "required": ["sku", "quantity", "unit_price"],
    "properties": {"sku": _TEXT, "quantity": whole_number(1, 100_000), "unit_price": whole_number(0, 10**12)},
    "additionalProperties": False,
    "description": "a line",
}
QUOTATION_REQUEST = JsonBody(
    {
        "type": "object",
        "required": ["order_number", "currency", "ship_to", "lines"],
        "properties": {
            "order_number": _TEXT,
            "currency": CURRENCY,
            "ship_to": {
                "type": "object",
                "required": ["country", "postal_code"],
                "properties": {"country": COUNTRY, "postal_code": text(1, 20)},
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
    return QuoteTax(body["order_number"], body["currency"], body["ship_to"], body["lines"])
