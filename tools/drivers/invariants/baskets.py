"""Invariants of baskets."""

from collections.abc import Iterator

from tools.client import Shop
from tools.drivers.invariants.violations import Violations, for_each
from tools.drivers.promises import Promises


def baskets_hold_their_items(shop: Shop, promises: Promises) -> Violations:
    """Each basket is open with the items and quantities of the last response about it; that of a Complete order is gone."""
    bought = {order.basket for order in promises.orders if order.outcome == "Complete"}

    def check(basket: str) -> Iterator[str]:
        response = shop.call("GET", f"/basket/v1/baskets/{basket}")
        if basket in bought:
            if response.status_code != 404:
                yield f"basket {basket} of a Complete order returned {response.status_code}: {response.text[:200]}"
            return
        view = response.raise_for_status().json()
        quantities = {item["sku"]: item["quantity"] for item in view["items"]}
        if quantities != promises.baskets[basket]:
            yield f"basket {basket} holds {quantities} instead of {promises.baskets[basket]}"
        if view["status"] != "open":
            yield f"basket {basket} is {view['status']} by order {view.get('order_number')}"

    return for_each(promises.baskets, check)
