"""An order as it is requested, what other systems respond about it, and the time."""

import json
from typing import Any

from model.settings import ROOT

_SAMPLE = json.loads((ROOT / "events" / "orders" / "submit_order.json").read_text())
REQUEST: dict[str, Any] = json.loads(_SAMPLE["body"])
IDEMPOTENCY_KEY: str = _SAMPLE["headers"]["Idempotency-Key"]
CORRELATION_ID: str = _SAMPLE["headers"]["X-Correlation-Id"]

# What the service does not know, as the note, it does not store.
BASKET: dict[str, Any] = {
    "items": [{"sku": "SP-1", "quantity": 2, "unit_price": 1999, "note": "not ours"}],
    "totals": {"amount": 3998, "currency": "EUR"},
}
PRODUCT: dict[str, Any] = {
    "sku": "SP-1",
    "unit_price": 1999,
    "currency": "EUR",
    "available": True,
    "status": "active",
    "stock": 2,
    "max_per_customer": 2,
}
QUOTATION: dict[str, Any] = {
    "tax_total": 760,
    "lines": [],
    "source": "quotation",
    "rate_version": "v",
    "quoted_at": "2026-01-01",
}
LINES = [{"sku": "SP-1", "quantity": 2, "unit_price": 1999}]
PRICE: dict[str, Any] = {"lines": LINES, "subtotal": 3998, "tax": QUOTATION, "amount": 4758, "currency": "EUR"}

# An order as ``repository.create`` takes it.
NEW_ORDER: dict[str, Any] = {
    "customer_id": "C1",
    "owner": "",
    "basket_id": "b",
    "payment_token": "tok_ok",
    "ship_to": REQUEST["ship_to"],
    "correlation_id": "c",
}


class Clock:
    """What ``time.time`` returns in a test."""

    def __init__(self, now: float) -> None:
        self.now = now
