"""What a basket costs now: products, delivery, tax and vouchers, each from the system that knows it."""

from collections.abc import Mapping
from typing import Any

from orders.clients import commerce, vouchers
from orders.clients.tax import quote_tax
from orders.domain.delivery import quote_delivery
from orders.domain.locks import basket_ordered
from orders.domain.pricing import MAX_TOTAL, Line, Price, discount_by_vouchers
from orders.domain.quotations import LineProblem, Quotation, Terms, accept_vouchers, check_line
from orders.domain.statuses import BASKET_NOT_FOUND, EMPTY_BASKET
from orders.repository import quotations
from setpieces.errors import Refused
from setpieces.http_refusal import HttpRefusal
from setpieces.settings import setting

FORFEIT = "Forfeit"


def quote_basket(
    basket: dict[str, Any] | None, terms: Terms, confirmed: Mapping[str, Mapping[str, Any]] | None = None
) -> Quotation:
    """A new quotation of what is in the basket, also of lines that cannot be bought and without vouchers that do not pay.

    A line has the platform's present price. If the platform does not send it in time, it has the ``confirmed`` name and price
    {name, unit_price} of its SKU, or the price of the basket.

    Raises ``Refused`` BASKET_NOT_FOUND, BASKET_ORDERED, EMPTY_BASKET, UNKNOWN_DELIVERY_METHOD, DELIVERY_UNAVAILABLE,
    UNSUPPORTED_DESTINATION, TOTAL_LIMIT; ``ExternalUnavailable``.
    """
    if basket is None:
        raise _nothing_to_order(BASKET_NOT_FOUND, "does not exist, or has expired")
    if basket.get("status") == "ordered":
        # The lock may be gone by the time at which an order of this basket would be stored.
        raise basket_ordered()
    if not basket["items"]:
        raise _nothing_to_order(EMPTY_BASKET, "has nothing to order")
    currency = basket["totals"]["currency"]
    products, states = _read(basket["items"], terms.voucher_codes)
    lines: list[Line] = []
    problems: list[LineProblem | None] = []
    for item in basket["items"]:
        sku, quantity = item["sku"], item["quantity"]
        known = {"name": sku, "unit_price": item["unit_price"]} | dict((confirmed or {}).get(sku, {}))
        if sku in products:
            problems.append(check_line(sku, quantity, currency, products[sku]))
            product = products[sku]
            if product and product["currency"] == currency:
                known = {"name": str(product.get("name") or sku), "unit_price": product["unit_price"]}
        lines.append(Line(sku, known["name"], quantity, int(known["unit_price"])))
    subtotal = sum(line.amount for line in lines)
    delivery = quote_delivery(terms.delivery_method, currency, subtotal)
    price = Price(currency, tuple(lines), delivery)
    _check_total(price)
    price, tax = quote_tax(price, terms.ship_to)
    _check_total(price)
    paying, rejected = accept_vouchers(
        terms.voucher_codes, states, currency, price.total, forfeit=setting("VOUCHER_REMAINDER") == FORFEIT
    )
    return Quotation(
        quotation_id=quotations.new_id(),
        terms=terms,
        basket_version=basket["version"],
        price=discount_by_vouchers(price, paying),
        tax=tax,
        prices_checked=len(products) == len(lines),
        valid_until=quotations.valid_until(),
        problems=tuple(problem for problem in problems if problem),
        rejected_vouchers=tuple(rejected),
    )


def _read(
    items: list[dict[str, Any]], codes: tuple[str, ...]
) -> tuple[dict[str, dict[str, Any] | None], dict[str, dict[str, Any] | None]]:
    """(products by SKU, vouchers by code), read at the same time."""
    # The most expensive lines are read first: there may not be time for all.
    by_amount = sorted(items, key=lambda item: item["quantity"] * item["unit_price"], reverse=True)
    skus = [item["sku"] for item in by_amount]
    if not codes:
        return commerce.read_products(skus), {}
    # Imported here: most requests need no threads, and a cold start pays for it.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as executor:
        states = executor.submit(vouchers.read_vouchers, codes)
        return commerce.read_products(skus), states.result()


def _check_total(price: Price) -> None:
    if price.total > MAX_TOTAL:
        raise HttpRefusal(422, "TOTAL_LIMIT", f"The total is above {MAX_TOTAL} minor units")


def _nothing_to_order(code: str, detail: str) -> Refused:
    fault = {"pointer": "/basket_id", "message": detail}
    return HttpRefusal(422, code, detail, errors=[fault])
