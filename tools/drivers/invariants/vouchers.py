"""Invariants of voucher batches and redemptions."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tools import feeds
from tools.client import Shop
from tools.drivers import vouchers
from tools.drivers.invariants.violations import Violations, for_each
from tools.drivers.promises import Order, Promises


def voucher_batches_are_complete_and_unique(shop: Shop, promises: Promises) -> Violations:
    """Each batch becomes COMPLETE, its file has the requested number of codes, and no code is in two batches."""
    admin = feeds.admin_session(shop)

    def batch_of(batch_id: str) -> dict[str, Any]:
        return shop.call("GET", f"{vouchers.PATH}/{batch_id}", headers=admin).raise_for_status().json()

    codes_by_batch: dict[str, list[str]] = {}

    def check(batch_id: str) -> Iterator[str]:
        batch, count = batch_of(batch_id), promises.batches[batch_id]
        if batch["status"] != "COMPLETE":
            yield f"voucher batch {batch_id} is {batch['status']} ({batch.get('reason')})"
            return
        content = file_of(shop, batch_id)
        codes = codes_by_batch[batch_id] = content.decode().split()
        promises.add_secrets(*codes)
        if len(codes) != count or batch["generated"] != count:
            yield f"voucher batch {batch_id} of {count} has {len(codes)} codes, and generated is {batch['generated']}"
        if hashlib.sha256(content).hexdigest() != batch["sha256"]:
            yield f"voucher batch {batch_id}: its file has another digest than the batch"

    violations = for_each(promises.batches, check)
    issued = Counter(code for codes in codes_by_batch.values() for code in codes)
    violations += [f"{count} vouchers are the same" for count in issued.values() if count > 1]
    statuses = {batch_id: batch_of(batch_id)["status"] for batch_id in promises.cancelled}
    return violations + [
        f"voucher batch {name} is {status}" for name, status in statuses.items() if status != "CANCELLED"
    ]


def file_of(shop: Shop, batch_id: str) -> bytes:
    """The file of a batch, read from the bucket: a link may work only once."""
    key = {"batch_id": {"S": batch_id}}
    table = shop.address("vouchers", "batches-table-name")
    item = shop.aws("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    bucket = shop.address("vouchers", "bucket-name")
    return shop.aws("s3").get_object(Bucket=bucket, Key=item["file_key"]["S"])["Body"].read()


def vouchers_are_redeemed_once(shop: Shop, promises: Promises) -> Violations:
    """Each redeemed voucher belongs to one order: repeating its redemption succeeds, another order is refused."""
    complete = {order.number: order for order in promises.complete_orders()}
    redemptions = {code: order for order in complete.values() for code in order.discounts}
    redemptions |= {code: complete[number] for code, number in promises.redemptions.items() if number in complete}

    def redeem(code: str, order: Order) -> int:
        path = f"/vouchers/v1/vouchers/{code}/redemptions"
        body = {"order_number": order.number}
        return shop.call("POST", path, json=body, headers=order.session).status_code

    def check(code: str) -> Iterator[str]:
        order = redemptions[code]
        other = next((each for each in complete.values() if each is not order), None)
        if (status := redeem(code, order)) != 200:
            yield f"a voucher of {order.number}: repeating its redemption returned {status}"
        if other and (status := redeem(code, other)) != 409:
            yield f"a voucher of {order.number}: its redemption for {other.number} returned {status}"

    unknown = set(promises.redemptions.values()) - set(complete)
    return [f"a voucher was redeemed for {number}, which is not Complete" for number in unknown] + for_each(
        redemptions, check
    )


def vouchers_pay_for_one_order(shop: Shop, promises: Promises) -> Violations:
    """A voucher pays at most its value, for one Complete order; one that pays for none can be used."""
    orders: dict[str, list[Order]] = {code: [] for code in promises.vouchers}
    for order in promises.complete_orders():
        for code in order.discounts:
            orders[code].append(order)

    def check(code: str) -> Iterator[str]:
        numbers, value = [order.number for order in orders[code]], promises.vouchers[code]
        if len(numbers) > 1:
            yield f"one voucher pays for {', '.join(numbers)}"
        if any(not 0 < order.discounts[code] <= value for order in orders[code]):
            yield f"a voucher of {value} pays {[order.discounts[code] for order in orders[code]]} for {numbers}"
        status = shop.call("GET", f"/vouchers/v1/vouchers/{code}").raise_for_status().json()["status"]
        expected = "REDEEMED" if numbers or code in promises.redemptions else "ACTIVE"
        if status != expected:
            yield f"a voucher of the orders {numbers} is {status} instead of {expected}"

    return for_each(promises.vouchers, check)
