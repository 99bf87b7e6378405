"""Invariants of orders."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from tools.client import Shop
from tools.drivers.invariants.violations import Violations, for_each
from tools.drivers.promises import Order, Promises


def every_client_was_served(shop: Shop, promises: Promises) -> Violations:
    """Every client received an expected response in time."""
    return list(promises.failures)


def no_order_is_lost(shop: Shop, promises: Promises) -> Violations:
    """Every accepted order reaches the final status that its payment token and total determine, and has a number of its own."""

    def check(order: Order) -> Iterator[str]:
        if order.lost:
            yield f"order {order.number} was accepted, but later not found"
        response = shop.call("GET", f"/orders/v1/orders/{order.number}/status", headers=order.session)
        if response.status_code != 200:
            yield f"order {order.number}: GET status returned {response.status_code}"
            return
        order.record(response.json())
        if order.statuses[-1] != order.outcome:
            yield f"order {order.number} is {response.json()} instead of {order.outcome}"

    duplicates = [number for number, count in Counter(order.number for order in promises.orders).items() if count > 1]
    return [f"order number {number} was issued twice" for number in duplicates] + for_each(promises.orders, check)


def statuses_never_regress(shop: Shop, promises: Promises) -> Violations:
    """The statuses that a client received go from Processing to one final status, and stay there."""

    def regressed(order: Order) -> bool:
        final = [status for status in order.statuses if status != "Processing"]
        return len(set(final)) > 1 or order.statuses[len(order.statuses) - len(final) :] != final

    return [f"order {order.number} had the statuses {order.statuses}" for order in promises.orders if regressed(order)]


def no_order_is_in_progress(shop: Shop, promises: Promises) -> Violations:
    """Every order is closed: it is not swept any more, and its basket can be ordered."""
    table, dynamodb = shop.address("orders", "table-name"), shop.aws("dynamodb")

    def stored(key: str) -> dict[str, Any]:
        item: dict[str, Any] = dynamodb.get_item(
            TableName=table, Key={"order_number": {"S": key}}, ConsistentRead=True
        ).get("Item", {})
        return item

    def check(order: Order) -> Iterator[str]:
        item = stored(order.number)
        if "in_progress" in item:
            yield f"order {order.number} is in progress: {item['backend_status']['S']}, {item['in_progress']['S']}"
        if order.basket and stored(f"basket#{order.basket}"):
            yield f"order {order.number} is closed, but its basket {order.basket} is locked"

    return for_each(promises.orders, check)


def orders_are_shipped_once(shop: Shop, promises: Promises) -> Violations:
    """Complete orders are shipped once, Failed ones never."""

    def check(order: Order) -> Iterator[str]:
        expected = int(order.outcome == "Complete")
        for ledger in ("platform-orders", "shipments"):
            entries = shop.ledger(ledger, order.number)
            if len(entries) != expected:
                yield f"order {order.number} ({order.outcome}) is {len(entries)} times in the ledger {ledger}"

    return for_each(promises.orders, check)
