"""The payment provider."""

from typing import Any

from orders.clients.responses import body_of
from setpieces import external

TIMEOUT_SECONDS = 1.5


def holds_charge(order: dict[str, Any], charge_id: str) -> bool:
    """True if the provider holds the order's amount under this charge; of an amount of 0 it knows nothing.

    Raises ``ExternalUnavailable``.
    """
    if order["amount"] == 0:
        return charge_id == f"free-{order['order_number']}"
    answer = external.call("payments", "GET", "charges", order["order_number"], timeout=TIMEOUT_SECONDS)
    if answer.status == 404:
        return False
    charge = body_of("payments", answer)
    expected = {
        "charge_id": charge_id,
        "status": "authorized",
        "amount": order["amount"],
        "currency": order["currency"],
    }
    return all(charge.get(name) == value for name, value in expected.items())
