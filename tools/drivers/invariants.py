"""What has to hold once a campaign is over, whatever went wrong in it: one list, the same for every campaign.

An invariant is a function (shop, promises) -> violations, each a line that names the thing. ``hold`` waits until none is left.
"""

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx

from setpieces.events import parse
from tools import feeds, sitemaps
from tools.client import Shop
from tools.drivers import vouchers
from tools.drivers.ingestion import delivered_lines, event_count, failed_records
from tools.drivers.promises import Customer, Feed, Order, Promises
from tools.drivers.queues import bodies, depths, is_dead

READERS = 8
# How long a shop may take until all work is done. A message is put off for five minutes at most (``setpieces.sqs_consumer``),
# on a machine that is busy with other things maybe twice.
SETTLE_SECONDS = 720
LOGGED_BUS = "/aws/events/checkout-bus"

T = TypeVar("T")
Violations = list[str]


def for_each(things: Iterable[T], check: Callable[[T], Iterable[str]]) -> Violations:
    """The violations of many things, looked at side by side."""
    with ThreadPoolExecutor(READERS) as readers:
        return [
            violation for found in readers.map(lambda thing: list(check(thing)), list(things)) for violation in found
        ]


# --- clients ---


def every_client_was_served(shop: Shop, promises: Promises) -> Violations:
    """Nobody was answered what they should not have been, and nobody gave up."""
    return list(promises.complaints)


def baskets_hold_what_was_put_into_them(shop: Shop, promises: Promises) -> Violations:
    def check(basket: str) -> Iterator[str]:
        found = shop.call("GET", f"/basket/v1/baskets/{basket}").raise_for_status().json()
        held = {item["sku"]: item["quantity"] for item in found["items"]}
        if held != promises.baskets[basket]:
            yield f"basket {basket} holds {held}, and not {promises.baskets[basket]}"

    return for_each(promises.baskets, check)


# --- orders ---


def no_order_is_lost(shop: Shop, promises: Promises) -> Violations:
    """Every order that was accepted ends as its payment token says, and has a number of its own."""

    def check(order: Order) -> Iterator[str]:
        if order.unknown:
            yield f"order {order.number} was accepted, and then nobody knew of it"
        answer = shop.call("GET", f"/orders/v1/orders/{order.number}/status", headers=order.session)
        if answer.status_code != 200:
            yield f"order {order.number}: its status was answered {answer.status_code}"
            return
        order.shown.append(answer.json()["status"])
        if order.shown[-1] != order.outcome:
            yield f"order {order.number} is {answer.json()}, and has to end {order.outcome}"

    twice = [number for number, count in Counter(order.number for order in promises.orders).items() if count > 1]
    return [f"order number {number} was given twice" for number in twice] + for_each(promises.orders, check)


def statuses_never_regress(shop: Shop, promises: Promises) -> Violations:
    """What a client was shown goes from Processing to one end, and stays there."""

    def regressed(order: Order) -> bool:
        ends = [status for status in order.shown if status != "Processing"]
        return len(set(ends)) > 1 or order.shown[len(order.shown) - len(ends) :] != ends

    return [f"order {order.number} was shown as {order.shown}" for order in promises.orders if regressed(order)]


def orders_are_charged_at_most_once(shop: Shop, promises: Promises) -> Violations:
    """Once if they are Complete, and not at all if they are Failed, whatever key the provider was given."""
    made = charges(shop) if promises.orders else {}

    def check(order: Order) -> Iterator[str]:
        statuses = Counter(made.get(order.number, []))
        expected = {"authorized": 1} if order.outcome == "Complete" else {"declined": 1}
        if statuses != expected:
            yield f"order {order.number} ({order.outcome}) was charged {dict(statuses)}, and not {expected}"

    return for_each(promises.orders, check)


def charges(shop: Shop) -> dict[str, list[str]]:
    """Order to the statuses of its charges. The ledger's own API finds them by key, and another key is what a fault may be."""
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
    found: dict[str, list[str]] = {}
    for page in pages:
        for entry in (json.loads(item["document"]["S"]) for item in page["Items"]):
            found.setdefault(entry["order_number"], []).append(entry["status"])
    return found


def orders_are_shipped_once(shop: Shop, promises: Promises) -> Violations:
    """Stock goes out once for an order that is Complete, and stays for one that is Failed."""

    def check(order: Order) -> Iterator[str]:
        expected = int(order.outcome == "Complete")
        for ledger in ("platform-orders", "shipments"):
            entries = shop.ledger(ledger, order.number)
            if len(entries) != expected:
                yield f"order {order.number} ({order.outcome}) is {len(entries)} times in the ledger {ledger}"

    return for_each(promises.orders, check)


# --- customers ---


def customers_are_created_and_migrated_once(shop: Shop, promises: Promises) -> Violations:
    """Each is on the new platform once, and all that the legacy platform knew came over once."""

    def check(customer: Customer) -> Iterator[str]:
        name = customer.customer_id
        writes = [entry for entry in shop.ledger("customers", name) if entry["operation"] == "put_customer"]
        created = [entry for entry in writes if entry["effect"] == "created"]
        migrations = [entry for entry in writes if entry["origin"] == "migration"]
        if (len(created), len(migrations)) != (1, 1):
            yield f"customer {name} was created {len(created)} and migrated {len(migrations)} times"
        if len(writes) != 2 + customer.changes:
            yield f"customer {name} was written {len(writes)} times, and changed {customer.changes} times by themselves"
        now = shop.call("GET", f"/partners/v1/commerce/customers/{name}").raise_for_status().json()
        wrong = [field for field, value in (customer.legacy | customer.own).items() if now.get(field) != value]
        if wrong:
            yield f"customer {name} has another {', '.join(wrong)} than they gave or the legacy platform knew"

    return for_each(promises.customers, check)


def updates_of_the_platform_are_passed_on(shop: Shop, promises: Promises) -> Violations:
    """Each of them reaches the two spokes that sync customers, once each, and has its order shipped once."""

    def check(name: str) -> Iterator[str]:
        entries = shop.ledger("customers", name)
        orders = Counter(entry.get("data", entry).get("order_number") for entry in entries)
        if orders != {promises.updates[name]: 2}:
            yield f"the platform's update {promises.updates[name]} of {name} was synced as {dict(orders)}"
        if len(shipped := shop.ledger("shipments", promises.updates[name])) != 1:
            yield f"the platform's order {promises.updates[name]} was shipped {len(shipped)} times"

    return for_each(promises.updates, check)


# --- vouchers ---


def voucher_batches_are_complete_and_unique(shop: Shop, promises: Promises) -> Violations:
    """Each batch ends Complete, its file has as many codes as were asked for, and no code is in two batches."""
    admin = feeds.admin(shop)

    def show(batch_id: str) -> dict[str, Any]:
        return shop.call("GET", f"{vouchers.PATH}/{batch_id}", headers=admin).raise_for_status().json()

    found: dict[str, list[str]] = {}

    def check(batch_id: str) -> Iterator[str]:
        batch, count = show(batch_id), promises.batches[batch_id]
        if batch["status"] != "COMPLETE":
            yield f"voucher batch {batch_id} is {batch['status']} ({batch.get('reason')})"
            return
        content = file_of(shop, batch_id)
        found[batch_id] = content.decode().split()
        promises.keep_private(*found[batch_id])
        if len(found[batch_id]) != count or batch["generated"] != count:
            yield f"voucher batch {batch_id} of {count} has {len(found[batch_id])} codes and says {batch['generated']}"
        if hashlib.sha256(content).hexdigest() != batch["sha256"]:
            yield f"voucher batch {batch_id}: its file is not the one that was made"

    violations = for_each(promises.batches, check)
    issued = Counter(code for codes in found.values() for code in codes)
    violations += [f"{count} vouchers are the same" for count in issued.values() if count > 1]
    cancelled = {batch_id: show(batch_id)["status"] for batch_id in promises.cancelled}
    return violations + [f"voucher batch {name} is {now}" for name, now in cancelled.items() if now != "CANCELLED"]


def file_of(shop: Shop, batch_id: str) -> bytes:
    """A batch's file as it lies in the bucket: a link may work only once."""
    key = {"batch_id": {"S": batch_id}}
    table = shop.address("vouchers", "batches-table-name")
    item = shop.aws("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    bucket = shop.address("vouchers", "bucket-name")
    return shop.aws("s3").get_object(Bucket=bucket, Key=item["file_key"]["S"])["Body"].read()


def vouchers_are_redeemed_once(shop: Shop, promises: Promises) -> Violations:
    """Each voucher that was accepted is spent, for the one order that it was accepted for."""

    def check(code: str) -> Iterator[str]:
        path, number = f"/vouchers/v1/vouchers/{code}/redemptions", promises.redemptions[code]
        again = shop.call("POST", path, json={"order_number": number})
        other = shop.call("POST", path, json={"order_number": "T000000000"})
        if (again.status_code, other.status_code) != (200, 409):
            yield f"a voucher of {number}: asked again {again.status_code}, by another order {other.status_code}"

    return for_each(promises.redemptions, check)


# --- records ---


def every_record_of_a_feed_is_accounted_for(shop: Shop, promises: Promises) -> Violations:
    """The manifest adds up to the feed as it was put."""
    if not promises.feeds:
        return []
    admin = feeds.admin(shop)

    def check(feed: Feed) -> Iterator[str]:
        shown = feeds.manifest(shop, admin, feed.feed_type, feed.feed_id)
        taken = shown["updated"] + shown["unchanged"] + shown["stale"]
        found = {name: shown[name] for name in ("received", "rejected", "failed", "pending")} | {"taken": taken}
        expected = {"received": feed.received, "rejected": feed.rejected, "failed": feed.failed, "pending": 0}
        if found != expected | {"taken": feed.good}:
            yield f"{feed.feed_type} feed {feed.feed_id} ({shown['status']}) accounts for {found}, and not {feed}"

    return for_each(promises.feeds, check)


def every_event_is_kept_and_counted(shop: Shop, promises: Promises) -> Violations:
    """Each accepted event is in the bucket, or put aside with its reason, and backed up; the counts are of what is there."""
    bucket = shop.address("ingestion", "bucket-name")

    def check(name: str) -> Iterator[str]:
        accepted = promises.events[name]
        lines = delivered_lines(shop, bucket, name)
        judged = {line["event"]["event_id"] for line in lines}
        aside = {json.loads(record)["event"]["event_id"] for record in failed_records(shop, bucket, name)}
        backed_up = {line["event"]["event_id"] for line in delivered_lines(shop, bucket, name, "source/")}
        if lost := accepted - judged - aside:
            yield f"{len(lost)} of {len(accepted)} events {name} are lost, {min(lost)} among them"
        if both := judged & aside:
            yield f"{len(both)} events {name} were kept and put aside as well"
        if missing := accepted - backed_up:
            yield f"{len(missing)} of {len(accepted)} events {name} are not backed up"
        # A producer without an answer sends again, and across deliveries a repeat stays and counts.
        if (count := event_count(shop, name)) != len(lines):
            yield f"{len(lines)} events {name} were delivered, {count} counted"

    return for_each(promises.events, check)


def sitemaps_are_released(shop: Shop, promises: Promises) -> Violations:
    """Every run that was asked for ends well."""
    if not promises.sitemaps:
        return []
    admin = feeds.admin(shop)

    def check(path: str) -> Iterator[str]:
        run = shop.call("GET", path, headers=admin).raise_for_status().json()
        if run["status"] not in sitemaps.GOOD:
            yield f"sitemap run {run['run_id']} is {run['status']} ({run.get('reason')})"

    return for_each(promises.sitemaps, check)


# --- what is left behind ---


def queues_are_drained(shop: Shop, promises: Promises) -> Violations:
    """No work waits, and every dead letter is explained."""
    violations = []
    for queue, depth in depths(shop).items():
        if depth <= promises.left_before.get(queue, 0):
            continue
        if not is_dead(queue):
            violations.append(f"{depth} messages wait on {queue}")
            continue
        known = [body for body in bodies(shop, queue) if any(text in body for text in promises.explained)]
        if unexplained := depth - promises.left_before.get(queue, 0) - len(known):
            violations.append(f"{unexplained} dead letters on {queue} that nobody can explain")
    return violations


def every_event_on_the_bus_is_valid(shop: Shop, promises: Promises) -> Violations:
    """By its schema; and the same id is the same event."""
    violations: Violations = []
    known: dict[str, Any] = {}
    for message in logged(shop, LOGGED_BUS, promises.started):
        detail = json.loads(message)["detail"]
        try:
            event = parse(detail)
        except Exception as error:
            violations.append(f"an event on the bus is invalid: {error}"[:200])
            continue
        if known.setdefault(event.event_id, event.data) != event.data:
            violations.append(f"two events on the bus have the id {event.event_id}")
    return violations


def no_log_holds_what_is_private(shop: Shop, promises: Promises) -> Violations:
    """No address, password, session, payment token, voucher code or signature of this run is in any log."""
    if not promises.private:
        return []
    private = re.compile("|".join(map(re.escape, sorted(promises.private, key=len, reverse=True))))
    pages = shop.aws("logs").get_paginator("describe_log_groups").paginate()
    groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]

    def check(group: str) -> Iterator[str]:
        for message in logged(shop, group, promises.started):
            if found := private.search(message):
                # What it is can be told from its beginning; the log is not made worse by this report.
                yield f"{group} holds {found[0][:8]}... in {private.sub('***', message)[:300]}"
                return

    return for_each(groups, check)


def logged(shop: Shop, group: str, since: float) -> Iterator[str]:
    """The messages of a log group since then."""
    pages = (
        shop.aws("logs").get_paginator("filter_log_events").paginate(logGroupName=group, startTime=int(since * 1000))
    )
    return (event["message"] for page in pages for event in page["events"])


Invariant = Callable[[Shop, Promises], Violations]
INVARIANTS: tuple[Invariant, ...] = (
    # First: to look at others an admin signs in, and that is an event itself.
    queues_are_drained,
    every_client_was_served,
    baskets_hold_what_was_put_into_them,
    no_order_is_lost,
    statuses_never_regress,
    orders_are_charged_at_most_once,
    orders_are_shipped_once,
    customers_are_created_and_migrated_once,
    updates_of_the_platform_are_passed_on,
    voucher_batches_are_complete_and_unique,
    vouchers_are_redeemed_once,
    every_record_of_a_feed_is_accounted_for,
    every_event_is_kept_and_counted,
    sitemaps_are_released,
    every_event_on_the_bus_is_valid,
    no_log_holds_what_is_private,
)


def violations(shop: Shop, promises: Promises, invariants: Iterable[Invariant] = INVARIANTS) -> dict[str, Violations]:
    """What does not hold now, by invariant. A check that gets no answer is a violation, too."""
    found = {}
    for invariant in invariants:
        try:
            found[invariant.__name__] = invariant(shop, promises)
        except (httpx.HTTPError, LookupError) as error:
            found[invariant.__name__] = [f"could not be looked at: {type(error).__name__}: {error}"]
    return {name: lines for name, lines in found.items() if lines}


def left(
    shop: Shop, promises: Promises, timeout: float, invariants: Iterable[Invariant] = INVARIANTS, every: float = 2
) -> dict[str, Violations]:
    """Wait until every invariant holds, all at the same time; what does not after ``timeout`` seconds."""
    invariants, deadline = list(invariants), time.monotonic() + timeout
    waiting = invariants
    while True:
        found = violations(shop, promises, waiting)
        if waiting == invariants and not found:
            return {}
        if time.monotonic() > deadline:
            return violations(shop, promises, invariants)
        # Only what did not hold is looked at again; once it does, everything is.
        waiting = [invariant for invariant in invariants if invariant.__name__ in found] or invariants
        time.sleep(every if found else 0)


def hold(
    shop: Shop, promises: Promises, timeout: float = SETTLE_SECONDS, invariants: Iterable[Invariant] = INVARIANTS
) -> None:
    """Raises AssertionError with every violation that is ``left``, in one list."""
    if found := left(shop, promises, timeout, invariants):
        raise AssertionError(readable(found))


def readable(found: dict[str, Violations], most: int = 20) -> str:
    """Violations as one list."""
    lines = [f"{sum(map(len, found.values()))} violations of {len(found)} invariants"]
    for name, texts in found.items():
        lines += [f"\n{name.replace('_', ' ')}:", *(f"  {text}" for text in texts[:most])]
        lines += [f"  and {len(texts) - most} more"] if len(texts) > most else []
    return "\n".join(lines)
