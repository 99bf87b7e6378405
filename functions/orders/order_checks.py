"""Whether an order can be carried out, and what it costs. Pure.

Amounts are in minor units. lines [{sku, quantity, unit_price}], tax {tax_total, source, rate_version, quoted_at, lines}
"""

from typing import Any

from order_statuses import BASKET_NOT_FOUND, EMPTY_BASKET, UNSUPPORTED_DESTINATION


class Invalid(Exception):
    """The order cannot be carried out; ``reason`` is one of ``order_statuses.REASONS``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def priced(basket: dict[str, Any] | None) -> dict[str, Any]:
    """{lines, subtotal, currency} of a basket as its service tells it. Raises ``Invalid``."""
    if basket is None:
        raise Invalid(BASKET_NOT_FOUND)
    if not basket["items"]:
        raise Invalid(EMPTY_BASKET)
    lines = [{name: item[name] for name in ("sku", "quantity", "unit_price")} for item in basket["items"]]
    subtotal = sum(line["quantity"] * line["unit_price"] for line in lines)
    return {"lines": lines, "subtotal": subtotal, "currency": basket["totals"]["currency"]}


def taxed(price: dict[str, Any], quotation: dict[str, Any] | None) -> dict[str, Any]:
    """The price with {tax, amount}; no quotation means that nobody knows the tax of the destination. Raises ``Invalid``."""
    if quotation is None:
        raise Invalid(UNSUPPORTED_DESTINATION)
    return price | {"tax": quotation, "amount": price["subtotal"] + quotation["tax_total"]}
