"""What processing asks others: the basket, the tax, the charge; and what it tells the commerce platform."""

from typing import Any

from setpieces import internal, outside
from setpieces.outside import OutsideUnavailable
from setpieces.queues import Reject

BASKET_SECONDS = 2.0
# The tax service has a deadline of its own for the tax system, and an answer even without it.
TAX_SECONDS = 4.0
PLATFORM_SECONDS = 2.0
CHARGE_SECONDS = 1.5


def read_basket(basket_id: str, timeout: float = BASKET_SECONDS) -> dict[str, Any] | None:
    """The basket, None if there is none (any more), or if no basket can have this id. Raises ``OutsideUnavailable``."""
    answer = internal.call("basket", "GET", f"/v1/internal/baskets/{basket_id}", timeout=timeout)
    if answer.status in (400, 404):
        return None
    return _body("basket", answer)


def quote_tax(order: dict[str, Any], price: dict[str, Any]) -> dict[str, Any] | None:
    """{tax_total, lines, source, rate_version, quoted_at}, None for an unknown destination. Raises ``OutsideUnavailable``."""
    ship_to = {
        name: order["ship_to"][name] for name in ("country", "region", "postal_code") if name in order["ship_to"]
    }
    asked = {
        "order_number": order["order_number"],
        "currency": price["currency"],
        "ship_to": ship_to,
        "lines": price["lines"],
    }
    answer = internal.call("tax", "POST", "/v1/quotations", body=asked, timeout=TAX_SECONDS, repeatable=True)
    if answer.status == 422:
        return None
    return _body("tax", answer)


def is_held(order: dict[str, Any], charge_id: str) -> bool:
    """Does the payment provider hold the order's amount under this charge? Raises ``OutsideUnavailable``."""
    answer = outside.call("payments", "GET", "charges", order["order_number"], timeout=CHARGE_SECONDS)
    if answer.status == 404:
        return False
    charge = _body("payments", answer)
    held = {"charge_id": charge_id, "status": "authorized", "amount": order["amount"], "currency": order["currency"]}
    return all(charge.get(name) == value for name, value in held.items())


def tell_platform(order: dict[str, Any]) -> None:
    """Put a paid order on the commerce platform; the same again changes nothing.

    Raises ``OutsideUnavailable``; ``Reject`` ORDER_DIFFERS if the platform has another order of this number.
    """
    paid = {
        "order_number": order["order_number"],
        "customer_id": order["customer_id"],
        "status": "paid",
        "lines": order["lines"],
        "totals": {name: order[name] for name in ("subtotal", "amount", "currency")}
        | {"tax": order["tax"]["tax_total"]},
        "tax": {name: order["tax"][name] for name in ("source", "rate_version")},
        "ship_to": order["ship_to"],
        "charge_id": order["charge_id"],
    }
    answer = outside.call("commerce", "PUT", "orders", order["order_number"], body=paid, timeout=PLATFORM_SECONDS)
    if answer.status == 409:
        raise Reject("ORDER_DIFFERS", f"the platform has another order {order['order_number']}")
    _body("commerce", answer)


def _body(system: str, answer: outside.Answer) -> dict[str, Any]:
    if answer.status not in (200, 201) or not isinstance(answer.body, dict):
        raise OutsideUnavailable(system, f"answered {answer.status}")
    return answer.body
