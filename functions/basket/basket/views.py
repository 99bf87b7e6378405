"""Bodies of responses. Pure. Amounts are in minor units."""

from typing import Any

from basket.domain import Basket, Line


def basket_view(basket: Basket) -> dict[str, Any]:
    """{basket_id, version, items: [{sku, quantity, unit_price}], totals}."""
    items = [_item_view(sku, line) for sku, line in sorted(basket.lines.items())]
    return {"basket_id": basket.basket_id, "version": basket.version, "items": items, "totals": totals_view(basket)}


def changed_line_view(basket: Basket, sku: str) -> dict[str, Any]:
    """The line that a request has changed: {basket_id, version, item: {sku, quantity, unit_price}, totals}."""
    return {
        "basket_id": basket.basket_id,
        "version": basket.version,
        "item": _item_view(sku, basket.lines[sku]),
        "totals": totals_view(basket),
    }


def totals_view(basket: Basket) -> dict[str, Any]:
    """{lines, quantity, amount, currency}."""
    lines = basket.lines.values()
    return {
        "lines": len(lines),
        "quantity": sum(line.quantity for line in lines),
        "amount": sum(line.quantity * line.unit_price for line in lines),
        "currency": basket.currency,
    }


def _item_view(sku: str, line: Line) -> dict[str, Any]:
    return {"sku": sku, "quantity": line.quantity, "unit_price": line.unit_price}
