"""An order as it is requested, what other systems respond about it, and the time."""

import json
from typing import Any

from model.settings import ROOT

_SAMPLE = json.loads((ROOT / "events" / "orders" / "submit_order.json").read_text())
REQUEST: dict[str, Any] = json.loads(_SAMPLE["body"])
IDEMPOTENCY_KEY: str = _SAMPLE["headers"]["Idempotency-Key"]
CORRELATION_ID: str = _SAMPLE["headers"]["X-Correlation-Id"]

DESTINATION = {name: REQUEST["ship_to"][name] for name in ("country", "postal_code")}

# What the service does not know, as the note, it does not store.
BASKET: dict[str, Any] = {
    "version": 7,
    "items": [{"sku": "SP-1", "quantity": 2, "unit_price": 1999, "note": "not ours"}],
    "totals": {"amount": 3998, "currency": "EUR"},
}
PRODUCT: dict[str, Any] = {
    "sku": "SP-1",
    "name": "Brick Tower",
    "unit_price": 1999,
    "currency": "EUR",
    "available": True,
    "status": "active",
    "stock": 2,
    "max_per_customer": 2,
}
# What the tax service responds about one piece of the line.
TAX_QUOTATION: dict[str, Any] = {
    "tax_total": 380,
    "lines": [{"sku": "SP-1", "tax": 380, "rate": 1900}],
    "source": "quotation",
    "rate_version": "v",
    "quoted_at": "2026-01-01",
}
VOUCHER: dict[str, Any] = {"status": "ACTIVE", "value": 1000, "currency": "EUR"}
CODE = "23456789ABCDEF"
LINES = [{"sku": "SP-1", "quantity": 2, "unit_price": 1999}]
SNAPSHOT: dict[str, Any] = {
    "basket_version": 7,
    "lines": [
        {
            "sku": "SP-1",
            "name": "Brick Tower",
            "quantity": 2,
            "unit_price": 1999,
            "unit_tax": 380,
            "rate": 1900,
            "discount": 0,
        }
    ],
    "delivery": {"method": "economy", "amount": 0, "tax": 0, "rate": 0, "discount": 0},
    "discounts": [],
    "subtotal": 3998,
    "tax": {"tax_total": 760, "source": "quotation", "rate_version": "v", "quoted_at": "2026-01-01"},
    "amount": 4758,
    "currency": "EUR",
    "prices_checked": True,
}

# An order as ``orders.create`` takes it.
NEW_ORDER: dict[str, Any] = {
    "customer_id": "C1",
    "owner": "",
    "basket_id": "b",
    "payment_token": "tok_ok",
    "ship_to": REQUEST["ship_to"],
    "correlation_id": "c",
    **SNAPSHOT,
}


class Clock:
    """What ``time.time`` returns in a test."""

    def __init__(self, now: float) -> None:
        self.now = now
