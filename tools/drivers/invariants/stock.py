"""Invariants of the commerce platform's stock."""

from collections import Counter
from collections.abc import Iterator

from tools.client import Shop
from tools.drivers.invariants.violations import Violations, for_each
from tools.drivers.products import PARTS, stock_of
from tools.drivers.promises import Promises


def stock_adds_up(shop: Shop, promises: Promises) -> Violations:
    """Of each product, sold, reserved and available pieces are those that were received, and none is negative.

    Holds at every moment of a run, as does: Complete orders are sold.
    """
    sold = sold_pieces(promises)

    def check(sku: str) -> Iterator[str]:
        counts, before = stock_of(shop, sku), promises.stock[sku]
        parts = [counts[part] for part in PARTS]
        if min(parts) < 0 or sum(parts) != counts["received"] or counts["received"] != before["received"]:
            yield f"the stock of {sku} does not add up: {counts}, before the run {before}"
        if counts["sold"] < before["sold"] + sold[sku]:
            yield f"{sku} was sold {counts['sold'] - before['sold']} times, Complete orders have {sold[sku]}"

    return for_each(promises.stock, check)


def stock_is_sold_to_complete_orders(shop: Shop, promises: Promises) -> Violations:
    """After the run nothing is reserved, and exactly the pieces of Complete orders are sold."""
    sold = sold_pieces(promises)

    def check(sku: str) -> Iterator[str]:
        counts = stock_of(shop, sku)
        if counts["reserved"]:
            yield f"{counts['reserved']} of {sku} are reserved"
        if (pieces := counts["sold"] - promises.stock[sku]["sold"]) != sold[sku]:
            yield f"{sku} was sold {pieces} times, Complete orders have {sold[sku]}"

    return for_each(promises.stock, check)


def sold_pieces(promises: Promises) -> Counter[str]:
    """Number of pieces by SKU in orders whose last status is Complete."""
    sold: Counter[str] = Counter()
    for order in promises.complete_orders():
        sold.update(order.lines)
    return sold
