"""The price of an order, and the reasons why it cannot be carried out. Pure.

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

# The members of a basket's line that an order has.
LINE_MEMBERS = ("sku", "quantity", "unit_price")


class InvalidOrder(Exception):
    """The order cannot be carried out; ``reason`` is one of ``statuses.REASONS``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def price_basket(basket: dict[str, Any] | None) -> dict[str, Any]:
    """{lines, subtotal, currency} of a basket, None if there is none. Raises ``InvalidOrder``."""
    if basket is None:
        raise InvalidOrder(BASKET_NOT_FOUND)
    if not basket["items"]:
        raise InvalidOrder(EMPTY_BASKET)
    lines = [{name: item[name] for name in LINE_MEMBERS} for item in basket["items"]]
    subtotal = sum(line["quantity"] * line["unit_price"] for line in lines)
    return {"lines": lines, "subtotal": subtotal, "currency": basket["totals"]["currency"]}


def check_products(price: dict[str, Any], products: dict[str, dict[str, Any] | None]) -> None:
    """Check that the lines are for sale at this price and in this quantity. Raises ``InvalidOrder``.

    A basket keeps the price of the moment at which a line was last changed. ``products`` are those of the commerce platform
    now, by SKU, None for a SKU that it does not sell; a line whose SKU is missing is not checked.
    """
    for line in price["lines"]:
        if line["sku"] not in products:
            continue
        product, quantity = products[line["sku"]], line["quantity"]
        if product is None or not _is_for_sale(product) or quantity > product["stock"]:
            raise InvalidOrder(PRODUCT_UNAVAILABLE)
        if (product["unit_price"], product["currency"]) != (line["unit_price"], price["currency"]):
            raise InvalidOrder(PRICE_CHANGED)
        if quantity > product["max_per_customer"]:
            raise InvalidOrder(QUANTITY_LIMIT)


def _is_for_sale(product: dict[str, Any]) -> bool:
    return product.get("available") is True and product.get("status") == "active"


def add_tax(price: dict[str, Any], quotation: dict[str, Any] | None) -> dict[str, Any]:
    """The price with {tax, amount}. Raises ``InvalidOrder`` without a quotation: the tax of the destination is unknown."""
    if quotation is None:
        raise InvalidOrder(UNSUPPORTED_DESTINATION)
    return price | {"tax": quotation, "amount": price["subtotal"] + quotation["tax_total"]}
