"""Whether an order can be carried out, and what it costs. Pure.

Amounts are in minor units. lines [{sku, quantity, unit_price}], tax {tax_total, source, rate_version, quoted_at, lines}
"""

from typing import Any

from orders.domain.statuses import (
    BASKET_NOT_FOUND,
    EMPTY_BASKET,
    PRICE_CHANGED,
    PRODUCT_UNAVAILABLE,
    QUANTITY_LIMIT,
    UNSUPPORTED_DESTINATION,
)

# What an order has of a line of its basket.
LINE = ("sku", "quantity", "unit_price")


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
    lines = [{name: item[name] for name in LINE} for item in basket["items"]]
    subtotal = sum(line["quantity"] * line["unit_price"] for line in lines)
    return {"lines": lines, "subtotal": subtotal, "currency": basket["totals"]["currency"]}


def check_products(price: dict[str, Any], products: dict[str, dict[str, Any] | None]) -> None:
    """The lines are for sale, at this price, in this quantity. Raises ``Invalid``.

    A basket keeps the price of the day on which its line was changed last. ``products`` are the platform's at this moment, None
    for one that it does not sell; a line without one is taken as it is.
    """
    for line in price["lines"]:
        if line["sku"] not in products:
            continue
        product, quantity = products[line["sku"]], line["quantity"]
        if product is None or not _is_for_sale(product) or quantity > product["stock"]:
            raise Invalid(PRODUCT_UNAVAILABLE)
        if (product["unit_price"], product["currency"]) != (line["unit_price"], price["currency"]):
            raise Invalid(PRICE_CHANGED)
        if quantity > product["max_per_customer"]:
            raise Invalid(QUANTITY_LIMIT)


def _is_for_sale(product: dict[str, Any]) -> bool:
    return product.get("available") is True and product.get("status") == "active"


def taxed(price: dict[str, Any], quotation: dict[str, Any] | None) -> dict[str, Any]:
    """The price with {tax, amount}; no quotation means that nobody knows the tax of the destination. Raises ``Invalid``."""
    if quotation is None:
        raise Invalid(UNSUPPORTED_DESTINATION)
    return price | {"tax": quotation, "amount": price["subtotal"] + quotation["tax_total"]}
