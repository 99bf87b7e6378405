"""Bodies of responses. Pure. Amounts are in minor units."""

from typing import Any

from basket.domain import Basket, Line, OrderAttempt


def basket_view(basket: Basket) -> dict[str, Any]:
    """{basket_id, version, status: "open" | "ordered", order_number?, items: [{sku, quantity, unit_price}], totals}."""
    return {
        "basket_id": basket.basket_id,
        "version": basket.version,
        **(
            {"status": "ordered", "order_number": basket.held_by.order_number} if basket.held_by else {"status": "open"}
        ),
        "items": [_item_view(sku, line) for sku, line in sorted(basket.lines.items())],
        "totals": totals_view(basket),
    }


def order_view(basket: Basket, order: OrderAttempt) -> dict[str, Any]:
    """{basket_id, order_number, state}: "in_progress" if the order holds the basket, else "closed"."""
    holds = basket.held_by and order.includes(basket.held_by)
    state = "in_progress" if holds else "closed"
    return {"basket_id": basket.basket_id, "order_number": order.order_number, "state": state}


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
        "amount": basket.amount,
        "currency": basket.currency,
    }


def _item_view(sku: str, line: Line) -> dict[str, Any]:
    return {"sku": sku, "quantity": line.quantity, "unit_price": line.unit_price}
