"""The commerce platform: products as they are now, and paid orders."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from orders.clients.responses import body_of
from orders.domain.pricing import LINE_MEMBERS
from setpieces import external
from setpieces.errors import ExternalUnavailable, PermanentFailure
from setpieces.observability import count, logger
from setpieces.postal import LONGEST

PUT_SECONDS = 2.0
# For all lines of a basket together; the platform sends one product at a time.
PRODUCTS_SECONDS = 2.0
PRODUCTS_AT_ONCE = 8
_PRODUCT = {"unit_price": int, "currency": str, "stock": int, "max_per_customer": int}


def read_products(skus: list[str]) -> dict[str, dict[str, Any] | None]:
    """The products by SKU as the platform has them now, None for one that it does not sell.

    Products that it does not send in time are left out: an order does not wait for the platform before it is paid.
    """
    deadline = time.monotonic() + PRODUCTS_SECONDS
    # The first one alone: it looks up the platform's address for all, and most baskets have one line.
    results = [_read_product(skus[0], deadline)]
    if skus[1:]:
        with ThreadPoolExecutor(PRODUCTS_AT_ONCE) as readers:
            results += readers.map(lambda sku: _read_product(sku, deadline), skus[1:])
    products = {sku: product for sku, (is_known, product) in zip(skus, results, strict=True) if is_known}
    if len(products) < len(skus):
        logger.warning("products not checked", extra={"lines": len(skus), "checked": len(products)})
        count("ProductsUnchecked", len(skus) - len(products))
    return products


def _read_product(sku: str, deadline: float) -> tuple[bool, dict[str, Any] | None]:
    """(whether the platform answered, the product)."""
    try:
        answer = external.call("commerce", "GET", "products", sku, timeout=deadline - time.monotonic())
    except ExternalUnavailable:
        return False, None
    if answer.status in (404, 410):
        return True, None
    product = answer.body
    if answer.status != 200 or not isinstance(product, dict):
        return False, None
    return all(type(product.get(name)) is kind for name, kind in _PRODUCT.items()), product


def put_order(order: dict[str, Any]) -> None:
    """Put a paid order on the commerce platform; the same again changes nothing.

    Raises ``ExternalUnavailable``; ``PermanentFailure`` ORDER_DIFFERS if the platform has another order of this number.
    """
    paid = {
        "order_number": order["order_number"],
        "customer_id": order["customer_id"],
        "status": "paid",
        # A newer version may have stored more, such as a fraction, which is not JSON.
        "lines": [{name: line[name] for name in LINE_MEMBERS} for line in order["lines"]],
        "totals": {name: order[name] for name in ("subtotal", "amount", "currency")}
        | {"tax": order["tax"]["tax_total"]},
        "tax": {name: order["tax"][name] for name in ("source", "rate_version")},
        "ship_to": {name: text for name, text in order["ship_to"].items() if name in LONGEST},
        "charge_id": order["charge_id"],
    }
    answer = external.call("commerce", "PUT", "orders", order["order_number"], body=paid, timeout=PUT_SECONDS)
    if answer.status == 409:
        raise PermanentFailure("ORDER_DIFFERS", f"the platform has another order {order['order_number']}")
    body_of("commerce", answer)
