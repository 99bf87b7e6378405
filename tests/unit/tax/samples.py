"""A request for a quotation."""

from typing import Any

from tax.domain.quotations import QuoteTax

BODY: dict[str, Any] = {
    "currency": "EUR",
    "ship_to": {"country": "DE", "region": "NW", "postal_code": "50667"},
    "lines": [{"sku": "SP-1", "quantity": 2, "unit_price": 1999}],
}


REQUEST = QuoteTax(**BODY)
