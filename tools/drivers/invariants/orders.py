"""Invariants of baskets and orders."""

import json
from collections import Counter
from collections.abc import Iterator

from tools.client import Shop
from tools.drivers.invariants.violations import Violations, for_each
from tools.drivers.promises import Order, Promises


def every_client_was_served(shop: Shop, promises: Promises) -> Violations:
    """Every client received an expected response in time."""
    return list(promises.failures)


def baskets_hold_their_items(shop: Shop, promises: Promises) -> Violations:
    """Each basket holds the items and quantities of the last response about it."""

    def check(basket: str) -> Iterator[str]:
        items = shop.call("GET", f"/basket/v1/baskets/{basket}").raise_for_status().json()["items"]
        quantities = {item["sku"]: item["quantity"] for item in items}
        if quantities != promises.baskets[basket]:
            yield f"basket {basket} holds {quantities} instead of {promises.baskets[basket]}"

    return for_each(promises.baskets, check)


def no_order_is_lost(shop: Shop, promises: Promises) -> Violations:
    """Every accepted order reaches the final status that its payment token determines, and has a number of its own."""

    def check(order: Order) -> Iterator[str]:
        if order.lost:
            yield f"order {order.number} was accepted, but later not found"
        response = shop.call("GET", f"/orders/v1/orders/{order.number}/status", headers=order.session)
        if response.status_code != 200:
            yield f"order {order.number}: GET status returned {response.status_code}"
            return
        order.statuses.append(response.json()["status"])
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


def orders_are_charged_at_most_once(shop: Shop, promises: Promises) -> Violations:
    """Complete orders are charged once and Failed ones never, under any idempotency key."""
    statuses_by_order = charges(shop) if promises.orders else {}

    def check(order: Order) -> Iterator[str]:
        statuses = Counter(statuses_by_order.get(order.number, []))
        expected = {"authorized": 1} if order.outcome == "Complete" else {"declined": 1}
        if statuses != expected:
            yield f"order {order.number} ({order.outcome}) was charged {dict(statuses)} instead of {expected}"

    return for_each(promises.orders, check)


def charges(shop: Shop) -> dict[str, list[str]]:
    """The statuses of the charges of each order.

    Read from the ledger's table: its API finds charges by key, and a fault may be a charge under another key.
    """
    pages = (
        shop.aws("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=shop.address("partners", "table-name"),
            KeyConditionExpression="#collection = :charges",
            ExpressionAttributeNames={"#collection": "collection"},
            ExpressionAttributeValues={":charges": {"S": "ledger/charges"}},
            ConsistentRead=True,
        )
    )
    statuses: dict[str, list[str]] = {}
    for page in pages:
        for entry in (json.loads(item["document"]["S"]) for item in page["Items"]):
            statuses.setdefault(entry["order_number"], []).append(entry["status"])
    return statuses


def orders_are_shipped_once(shop: Shop, promises: Promises) -> Violations:
    """Complete orders are shipped once, Failed ones never."""

    def check(order: Order) -> Iterator[str]:
        expected = int(order.outcome == "Complete")
        for ledger in ("platform-orders", "shipments"):
            entries = shop.ledger(ledger, order.number)
            if len(entries) != expected:
                yield f"order {order.number} ({order.outcome}) is {len(entries)} times in the ledger {ledger}"

    return for_each(promises.orders, check)
