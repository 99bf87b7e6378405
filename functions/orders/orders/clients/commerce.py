"""The commerce platform: products as they are now, reservations of stock, and paid orders."""

import time
from typing import Any

from orders.clients.concurrency import call_all
from orders.clients.responses import body_of
from orders.domain.locks import NotReserved, ReservationClosed
from orders.domain.statuses import OUT_OF_STOCK, PRICE_CHANGED, PRODUCT_UNAVAILABLE, QUANTITY_LIMIT
from setpieces import external
from setpieces.errors import ExternalUnavailable, PermanentFailure
from setpieces.observability import count, logger
from setpieces.postal import LONGEST

PUT_SECONDS = 2.0
RESERVE_SECONDS = 2.0
# For all lines of a basket together; the platform sends one product at a time.
PRODUCTS_SECONDS = 2.0
_PRODUCT = {"unit_price": int, "currency": str, "stock": int, "max_per_customer": int}
# Why an order is rejected of whose number the platform has another one.
ORDER_DIFFERS = "ORDER_DIFFERS"
_LINE = ("sku", "quantity", "unit_price")
_REASONS = (OUT_OF_STOCK, PRODUCT_UNAVAILABLE, QUANTITY_LIMIT, PRICE_CHANGED)


def read_products(skus: list[str]) -> dict[str, dict[str, Any] | None]:
    """The products by SKU as the platform has them now, None for one that it does not sell.

    Products that it does not send in time are left out: an order does not wait for the platform before it is paid.
    """
    deadline = time.monotonic() + PRODUCTS_SECONDS
    results = call_all(lambda sku: _read_product(sku, deadline), skus)
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


def reserve(order: dict[str, Any], expires_at: str) -> None:
    """Reserve the stock of the order's lines, or renew that. Safe to repeat.

    Prices that the platform did not confirm when the order was placed are checked now.
    Raises ``NotReserved`` for all lines if one of them falls short, ``ReservationClosed``, ``ExternalUnavailable``.
    """
    lines = [{"sku": line["sku"], "quantity": line["quantity"]} for line in order["lines"]]
    if not order.get("prices_checked", True):
        for reserved, line in zip(lines, order["lines"], strict=True):
            reserved |= {"unit_price": line["unit_price"], "currency": order["currency"]}
    body = {"lines": lines, "expires_at": expires_at, "attempt": order["attempt"]}
    # The limit per customer holds across the orders of a customer; a guest has no number.
    if order["owner"]:
        body["customer_id"] = order["owner"]
    number = order["order_number"]
    answer = external.call("commerce", "PUT", "reservations", number, body=body, timeout=RESERVE_SECONDS)
    if answer.status != 409:
        body_of("commerce", answer)
        return
    problem = answer.body if isinstance(answer.body, dict) else {}
    if problem.get("code") == "RESERVATION_CLOSED":
        raise ReservationClosed
    if problem.get("code") != OUT_OF_STOCK:
        raise ExternalUnavailable("commerce", f"refused a reservation: {problem.get('code')}")
    codes = [line.get("code") for line in problem.get("lines", [])]
    raise NotReserved(next((code for code in codes if code in _REASONS), OUT_OF_STOCK))


def release(order: dict[str, Any]) -> bool:
    """Give the reserved stock back, and refuse late reservations and orders of this attempt. Safe to repeat.

    False if the platform has an order of this number. Raises ``ExternalUnavailable``.
    """
    number, query = order["order_number"], {"attempt": str(order["attempt"])}
    answer = external.call("commerce", "DELETE", "reservations", number, query=query, timeout=RESERVE_SECONDS)
    if answer.status == 409:
        logger.warning("stock is committed", extra={"order_number": number})
        return False
    if answer.status != 204:
        raise ExternalUnavailable("commerce", f"answered {answer.status}")
    return True


def put_order(order: dict[str, Any]) -> None:
    """Put a paid order on the commerce platform, which commits its reservation; the same again changes nothing.

    Raises ``ExternalUnavailable``; ``ReservationClosed`` if the order's stock was released; ``PermanentFailure`` ORDER_DIFFERS
    if the platform has another order of this number, and OUT_OF_STOCK if the reservation has ended by itself and the stock is
    gone.
    """
    totals = {name: order[name] for name in ("subtotal", "amount", "currency")} | {"tax": order["tax"]["tax_total"]}
    if "delivery" in order:
        totals["delivery"] = order["delivery"]["amount"]
        totals["discount"] = sum(discount["amount"] for discount in order["discounts"])
    paid = {
        "order_number": order["order_number"],
        "customer_id": order["customer_id"],
        "status": "paid",
        # A newer version may have stored more, such as a fraction, which is not JSON.
        "lines": [{name: line[name] for name in _LINE} for line in order["lines"]],
        "totals": totals,
        "tax": {name: order["tax"][name] for name in ("source", "rate_version")},
        "ship_to": {name: text for name, text in order["ship_to"].items() if name in LONGEST},
        "charge_id": order["charge_id"],
    }
    answer = external.call("commerce", "PUT", "orders", order["order_number"], body=paid, timeout=PUT_SECONDS)
    if answer.status == 409:
        problem = answer.body if isinstance(answer.body, dict) else {}
        if problem.get("code") == "RESERVATION_CLOSED":
            raise ReservationClosed
        if problem.get("code") == OUT_OF_STOCK:
            raise PermanentFailure(OUT_OF_STOCK, f"the platform has too little stock for {order['order_number']}")
        raise PermanentFailure(ORDER_DIFFERS, f"the platform has another order {order['order_number']}")
    body_of("commerce", answer)
