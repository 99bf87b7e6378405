"""Invariants of charges and totals."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from tools.client import Shop
from tools.drivers.invariants.violations import Violations, for_each
from tools.drivers.promises import Order, Promises


def orders_are_charged_at_most_once(shop: Shop, promises: Promises) -> Violations:
    """Complete orders with a total are charged once, others never, under any idempotency key."""
    by_order = charges(shop) if promises.orders else {}

    def check(order: Order) -> Iterator[str]:
        statuses = Counter(charge["status"] for charge in by_order.get(order.number, []))
        if order.outcome == "Complete":
            expected = {} if order.total == 0 else {"authorized": 1}
        else:
            expected = {} if order.reason in order.may_fail_for else {"declined": 1}
        if statuses != expected:
            yield f"order {order.number} ({order.outcome}) was charged {dict(statuses)} instead of {expected}"

    return for_each(promises.orders, check)


def charges_are_the_totals_of_complete_orders(shop: Shop, promises: Promises) -> Violations:
    """A Complete order's lines, tax, delivery and discounts add up to its total: the charge, and what its client confirmed."""
    by_order = charges(shop) if promises.orders else {}

    def check(order: Order) -> Iterator[str]:
        charged = sum(charge["amount"] for charge in by_order.get(order.number, []) if charge["status"] == "authorized")
        if order.outcome == "Failed":
            if charged:
                yield f"order {order.number} has failed and was charged {charged}"
            return
        entries = shop.ledger("platform-orders", order.number)
        if not entries:
            yield f"order {order.number} is not on the platform"
            return
        platform = entries[-1]
        totals = platform["totals"]
        total, subtotal = totals["amount"], totals["subtotal"]
        if subtotal != sum(line["quantity"] * line["unit_price"] for line in platform["lines"]):
            yield f"order {order.number}: its lines are not the subtotal of {totals}"
        if total != subtotal + totals["tax"] + totals["delivery"] - totals["discount"]:
            yield f"order {order.number}: its parts are not the total of {totals}"
        if charged != total or order.total not in (None, total):
            yield f"order {order.number} was charged {charged}, its total is {total}, confirmed was {order.total}"

    return for_each(promises.orders, check)


def charges(shop: Shop) -> dict[str, list[dict[str, Any]]]:
    """The charges of each order: {order_number, status, amount, ...}.

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
    by_order: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for page in pages:
        for entry in (json.loads(item["document"]["S"]) for item in page["Items"]):
            by_order[entry["order_number"]].append(entry)
    return dict(by_order)
