"""An order to ship, and the event that it is complete."""

import json
from typing import Any

from model.settings import ROOT

ORDER: dict[str, Any] = {
    "order_number": "T100000001",
    "customer_id": "C100000001",
    "lines": [{"sku": "SP-1", "quantity": 2, "unit_price": 3999}],
    "totals": {"amount": 7998, "currency": "EUR"},
    "ship_to": {"country": "DE", "postal_code": "50667"},
    "status": "Complete",
}


def order_complete() -> dict[str, Any]:
    """The event of ``events/shipping/ship_order.json``, as EventBridge puts it on a queue."""
    batch = json.loads((ROOT / "events" / "shipping" / "ship_order.json").read_text())
    event: dict[str, Any] = json.loads(batch["Records"][0]["body"])
    return event
