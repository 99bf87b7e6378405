"""What processing asks others: the basket, the tax, the charge; and what it tells the commerce platform."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from orders.domain.checks import LINE
from setpieces import external, signed_client
from setpieces.errors import ExternalUnavailable, PermanentFailure
from setpieces.observability import count, logger
from setpieces.postal import LONGEST

BASKET_SECONDS = 2.0
# The tax service has a deadline of its own for the tax system, and an answer even without it.
TAX_SECONDS = 4.0
PLATFORM_SECONDS = 2.0
# For all lines of a basket together; the platform tells of one product at a time.
PRODUCTS_SECONDS = 2.0
PRODUCTS_AT_ONCE = 8
_PRODUCT = {"unit_price": int, "currency": str, "stock": int, "max_per_customer": int}
CHARGE_SECONDS = 1.5
# What is stored of a quotation. A newer tax service may tell more, and DynamoDB does not take everything that JSON can hold.
_QUOTATION = ("tax_total", "source", "rate_version", "quoted_at")
_TAX_LINE = ("sku", "tax", "rate")


def read_basket(basket_id: str, timeout: float = BASKET_SECONDS) -> dict[str, Any] | None:
    """The basket, None if there is none (any more), or if no basket can have this id. Raises ``ExternalUnavailable``."""
    answer = signed_client.call("basket", "GET", f"/v1/internal/baskets/{basket_id}", timeout=timeout)
    if answer.status in (400, 404):
        return None
    return _body("basket", answer)


def read_products(skus: list[str]) -> dict[str, dict[str, Any] | None]:
    """The products by SKU as the commerce platform knows them now, None for one that it does not sell.

    Those that it does not tell of in time are left out: an order does not wait for the platform before it is paid.
    """
    deadline = time.monotonic() + PRODUCTS_SECONDS
    # The first one alone: it looks up the platform's address for all, and most baskets have no other.
    answers = [_read_product(skus[0], deadline)]
    if skus[1:]:
        with ThreadPoolExecutor(PRODUCTS_AT_ONCE) as readers:
            answers += readers.map(lambda sku: _read_product(sku, deadline), skus[1:])
    products = {sku: product for sku, (is_known, product) in zip(skus, answers, strict=True) if is_known}
    if len(products) < len(skus):
        logger.warning("products not checked", extra={"lines": len(skus), "checked": len(products)})
        count("ProductsUnchecked", len(skus) - len(products))
    return products


def _read_product(sku: str, deadline: float) -> tuple[bool, dict[str, Any] | None]:
    """(whether the platform told, the product)"""
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


def quote_tax(order: dict[str, Any], price: dict[str, Any]) -> dict[str, Any] | None:
    """{tax_total, lines, source, rate_version, quoted_at}, None for an unknown destination. Raises ``ExternalUnavailable``."""
    ship_to = {
        name: order["ship_to"][name] for name in ("country", "region", "postal_code") if name in order["ship_to"]
    }
    asked = {
        "order_number": order["order_number"],
        "currency": price["currency"],
        "ship_to": ship_to,
        "lines": price["lines"],
    }
    answer = signed_client.call("tax", "POST", "/v1/quotations", body=asked, timeout=TAX_SECONDS, repeatable=True)
    if answer.status == 422:
        return None
    quotation = _body("tax", answer)
    try:
        lines = [{name: line[name] for name in _TAX_LINE} for line in quotation["lines"]]
        return {name: quotation[name] for name in _QUOTATION} | {"lines": lines}
    except (KeyError, TypeError) as error:
        raise ExternalUnavailable("tax", f"answered something else than a quotation: {error}") from error


def is_held(order: dict[str, Any], charge_id: str) -> bool:
    """Does the payment provider hold the order's amount under this charge? Raises ``ExternalUnavailable``."""
    answer = external.call("payments", "GET", "charges", order["order_number"], timeout=CHARGE_SECONDS)
    if answer.status == 404:
        return False
    charge = _body("payments", answer)
    held = {"charge_id": charge_id, "status": "authorized", "amount": order["amount"], "currency": order["currency"]}
    return all(charge.get(name) == value for name, value in held.items())


def tell_platform(order: dict[str, Any]) -> None:
    """Put a paid order on the commerce platform; the same again changes nothing.

    Raises ``ExternalUnavailable``; ``PermanentFailure`` ORDER_DIFFERS if the platform has another order of this number.
    """
    paid = {
        "order_number": order["order_number"],
        "customer_id": order["customer_id"],
        "status": "paid",
        # A newer version may have stored more, such as a fraction, which JSON is not made of.
        "lines": [{name: line[name] for name in LINE} for line in order["lines"]],
        "totals": {name: order[name] for name in ("subtotal", "amount", "currency")}
        | {"tax": order["tax"]["tax_total"]},
        "tax": {name: order["tax"][name] for name in ("source", "rate_version")},
        "ship_to": {name: text for name, text in order["ship_to"].items() if name in LONGEST},
        "charge_id": order["charge_id"],
    }
    answer = external.call("commerce", "PUT", "orders", order["order_number"], body=paid, timeout=PLATFORM_SECONDS)
    if answer.status == 409:
        raise PermanentFailure("ORDER_DIFFERS", f"the platform has another order {order['order_number']}")
    _body("commerce", answer)


def _body(system: str, answer: external.Answer) -> dict[str, Any]:
    if answer.status not in (200, 201) or not isinstance(answer.body, dict):
        raise ExternalUnavailable(system, f"answered {answer.status}")
    return answer.body
