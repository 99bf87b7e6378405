"""Many orders of few products under faults: the money, the stock, the vouchers and the baskets add up, whatever fails.

16 clients order from 20 products of small stock: with and without quotations, with several vouchers, with declined cards, as
guests and as customers with limits. Prices change meanwhile. External systems return 5xx and time out, requests are sent
twice, messages and events are delivered twice and out of order, and function processes are killed. At random moments the
stock has to add up. ``SETPIECES_ORDERS`` is the number of orders (500 is the full campaign and takes some ten minutes).
"""

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import pytest

from local.cloud.processes import kill_workers
from tests.resilience.disturbances import disturbed_deliveries
from tests.resilience.purchases import (
    Unavailable,
    add_lines,
    order_quotation,
    place_order,
    quote,
    request_status,
    watch_stock,
    watch_voucher,
)
from tests.resilience.retrying_client import PATIENCE_SECONDS, Client
from tools import feeds
from tools.client import Shop, eventually
from tools.drivers import vouchers
from tools.drivers.customers import Member, sign_up
from tools.drivers.invariants.money import charges
from tools.drivers.invariants.runner import RECOVERY_SECONDS, assert_invariants
from tools.drivers.invariants.stock import stock_adds_up
from tools.drivers.products import change_price, sell, stock_of
from tools.drivers.promises import Order, Promises
from tools.events import listening, receive_events

ORDERS = int(os.environ.get("SETPIECES_ORDERS", "40"))
CLIENTS = 16
MEMBERS = 2
PRODUCTS = 20
# Pieces of each product: in all about as many as the clients want.
STOCK = ORDERS // 12 + 1
# How often a client fills another basket if the one before cannot be bought.
BASKETS = 10
# A customer may buy as many pieces of each third product.
LIMIT = 2
# Vouchers of a small and of a large value, which pays for a whole order.
SMALL, LARGE = (ORDERS // 3, 1500), (ORDERS // 10, 50_000)
# Processes are killed after so many orders: early, because messages in flight are delivered again after some minutes.
KILLS = [ORDERS * eighth // 8 for eighth in range(1, 6 if ORDERS > 100 else 3)]
# Random moments at which the stock has to add up.
MOMENTS = 20
# Number of events that wait for repetition, so that they follow events published later.
LATE_EVENTS = 5
PARTNERS = ("commerce", "payments", "sap", "tax", "rewards")
# Other orders may be first, and prices change after an order without a quotation was accepted.
LOST_RACES = ("OUT_OF_STOCK", "QUANTITY_LIMIT", "PRICE_CHANGED")


class Chaos:
    """Repeats events, disturbs partners and changes prices; seeded, so that a run can be repeated."""

    def __init__(self, shop: Shop, queue: str, promises: Promises, products: list[dict[str, Any]]) -> None:
        self.shop, self.queue, self.promises, self.products = shop, queue, promises, products
        self.random = random.Random(20261123)
        self.stopped = threading.Event()
        self.prices = self.moments = 0

    def repeat_events(self) -> None:
        """Publish every fifth event again, later and in another order."""
        event_ids: set[str] = set()
        waiting: list[dict[str, Any]] = []
        while not self.stopped.is_set():
            arrived = receive_events(self.shop, self.queue, wait_seconds=1)
            # Events are identified by their own id, so that repeats are not repeated again.
            new = {event["detail"]["event"]["meta_data"]["event_id"]: event for event in arrived}
            waiting += [event for key, event in new.items() if key not in event_ids and self.random.random() < 0.2]
            event_ids |= set(new)
            self.random.shuffle(waiting)
            while len(waiting) > LATE_EVENTS:
                self._put(waiting.pop())
        for event in waiting:
            self._put(event)

    def _put(self, event: dict[str, Any]) -> None:
        entry = {
            "EventBusName": self.shop.address("event-bus", "bus-name"),
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
        }
        assert self.shop.aws("events").put_events(Entries=[entry])["FailedEntryCount"] == 0

    def disturb_partners(self) -> None:
        """One in ten responses is a 500; periodically one partner exceeds its callers' timeouts."""
        while not self.stopped.is_set():
            slow = self.random.choice(PARTNERS)
            for partner in PARTNERS:
                self._disturb(partner, latency_ms=5000 if partner == slow else 0)
            self.stopped.wait(1)
            self._disturb(slow, latency_ms=0)
            self.stopped.wait(4)

    def _disturb(self, partner: str, latency_ms: int) -> None:
        fault = {"latency_ms": latency_ms, "error_rate": 0.1, "outage": False}
        with suppress(httpx.HTTPError):  # its process has just been killed
            self.shop.call("PUT", f"/partners/v1/faults/{partner}", json=fault)

    def change_prices(self) -> None:
        while not self.stopped.wait(1):
            change_price(self.shop, self.random.choice(self.products), self.random.randrange(500, 3000))
            self.prices += 1

    def observe_stock(self) -> None:
        """Check the stock at random moments."""
        while not self.stopped.wait(self.random.uniform(0.1, ORDERS / MOMENTS)):
            self.promises.failures += stock_adds_up(self.shop, self.promises)
            self.moments += 1


@contextmanager
def chaos(shop: Shop, promises: Promises, products: list[dict[str, Any]]) -> Iterator[Chaos]:
    with listening(shop) as queue, disturbed_deliveries(shop, twice=0.2, late_seconds=1):
        state = Chaos(shop, queue, promises, products)
        work = (state.repeat_events, state.disturb_partners, state.change_prices, state.observe_stock)
        threads = [threading.Thread(target=each) for each in work]
        for thread in threads:
            thread.start()
        try:
            yield state
        finally:
            state.stopped.set()
            for thread in threads:
                thread.join()
            eventually(lambda: partners_are_undisturbed(shop), timeout=PATIENCE_SECONDS)


def partners_are_undisturbed(shop: Shop) -> bool:
    """True if no partner has faults; removes faults that were set late."""
    disturbed = []
    for partner in PARTNERS:
        path = f"/partners/v1/faults/{partner}"
        fault = shop.call("GET", path).json()
        if fault["error_rate"] or fault["latency_ms"]:
            disturbed.append(partner)
            shop.call("DELETE", path)
    return not disturbed


def sell_piecemeal(shop: Shop, promises: Promises, number: int) -> dict[str, Any]:
    """A product of small stock, which the invariants check."""
    limit = 10 if number % 3 else LIMIT
    product = sell(shop, "CAMPAIGN", unit_price=500 + 100 * number, stock=STOCK, max_per_customer=limit)
    watch_stock(Client(shop, promises, number), product["sku"])
    return product


def issue_vouchers(shop: Shop, promises: Promises) -> list[str]:
    """The codes of a batch of small vouchers and of a batch of large ones, as the invariants know them."""
    admin, client = feeds.admin_session(shop), Client(shop, promises, "vouchers")
    paths = [vouchers.create_batch(shop, admin, count=count, value=value) for count, value in (SMALL, LARGE)]
    files = [vouchers.download_file(vouchers.wait_for_batch(shop, admin, path)) for path in paths]
    codes = [code for file in files for code in file.decode().split()]
    for code in codes:
        watch_voucher(client, code)
    return codes


@dataclass
class Buyers:
    """Orders of clients; each has its own random generator."""

    shop: Shop
    promises: Promises
    products: list[dict[str, Any]]
    codes: list[str]
    members: list[Member]
    # Why the lines of a basket could not be bought.
    unavailable: list[str] = field(default_factory=list)

    def buy(self, number: int) -> None:
        """Fill baskets until one is ordered; none may be, near the end of the stock."""
        client = Client(self.shop, self.promises, number)
        for _ in range(BASKETS):
            try:
                self.order(client, number)
            except Unavailable as unavailable:
                self.unavailable.append(str(unavailable))
            else:
                return

    def order(self, client: Client, number: int) -> None:
        """Fill a basket and order it; a fifth of the orders has no quotation, a tenth is declined or sent twice.

        Raises ``Unavailable``.
        """
        chance = client.chance
        products = chance.sample(self.products, chance.choice((1, 2)))
        lines = {product["sku"]: chance.choice((1, 1, 2)) for product in products}
        token = "tok_declined" if number % 10 == 0 else "tok_ok"
        # Without vouchers: if they pay the whole total, the card is not charged, and cannot be declined.
        codes = [] if token == "tok_declined" else chance.sample(self.codes, chance.choice((0, 0, 1, 2, 3)))
        member = self.members[number // 4 % MEMBERS] if number % 4 == 0 else None
        session = member.session if member else {}
        basket = add_lines(client, lines)
        if number % 5 == 1:
            customer_id = member.customer_id if member else "guest"
            place_order(client, basket, token, customer_id, session, number % 10 == 1, LOST_RACES)
        else:
            quotation = quote(client, basket, codes)
            order_quotation(client, quotation, token, session, number % 10 == 2, LOST_RACES)

    def order_again(self, order: Order) -> None:
        """Order the basket of a failed order as a guest with another card."""
        client = Client(self.shop, self.promises, order.number)
        try:
            order_quotation(client, quote(client, order.basket), may_fail_for=LOST_RACES)
        except Unavailable as unavailable:
            self.unavailable.append(str(unavailable))


def wait_for_orders(shop: Shop, promises: Promises, clients: ThreadPoolExecutor) -> None:
    """Poll the statuses until all orders have ended, for some minutes at most."""
    deadline = time.monotonic() + RECOVERY_SECONDS / 2
    while time.monotonic() < deadline and (unfinished := [each for each in promises.orders if not each.ended]):
        list(clients.map(lambda order: request_status(Client(shop, promises, order.number), order), unfinished))
        time.sleep(0.5)


@pytest.mark.timeout(RECOVERY_SECONDS * 3)
def test_money_stock_vouchers_and_baskets_add_up_under_faults(shop: Shop):
    promises = Promises.of(shop)
    with ThreadPoolExecutor(CLIENTS) as clients:
        codes = clients.submit(issue_vouchers, shop, promises)
        members = [clients.submit(sign_up, shop) for _ in range(MEMBERS)]
        products = list(clients.map(partial(sell_piecemeal, shop, promises), range(PRODUCTS)))
        buyers = Buyers(shop, promises, products, codes.result(), [member.result() for member in members])
    with chaos(shop, promises, products) as state, ThreadPoolExecutor(CLIENTS) as clients:
        killed = 0
        placed = [clients.submit(buyers.buy, number) for number in range(ORDERS)]
        for mark in KILLS:
            placed[mark].result()
            killed += kill_workers()
        for each in placed:
            each.result()
        wait_for_orders(shop, promises, clients)
        declined = [order for order in promises.orders if order.reason == "PAYMENT_DECLINED"]
        list(clients.map(buyers.order_again, declined))
        wait_for_orders(shop, promises, clients)
        eventually(lambda: state.moments >= MOMENTS, timeout=RECOVERY_SECONDS)

    # The partners have recovered; the remaining orders complete.
    assert ORDERS * 0.8 <= len(promises.orders) <= ORDERS + len(declined)
    promises.expected_dead_letters |= {order.number for order in promises.orders}
    assert_invariants(shop, promises, RECOVERY_SECONDS)
    assert killed
    assert any(order.reason == "PAYMENT_DECLINED" for order in promises.orders)
    print(summary(shop, promises, state, buyers))


def summary(shop: Shop, promises: Promises, state: Chaos, buyers: Buyers) -> str:
    """The results of a run as text."""
    complete = promises.complete_orders()
    numbers = {order.number for order in promises.orders}
    outcomes = Counter(order.reason or order.statuses[-1] for order in promises.orders)
    charged = sum(
        charge["amount"]
        for number, entries in charges(shop).items()
        for charge in entries
        if number in numbers and charge["status"] == "authorized"
    )
    totals = sum(shop.ledger("platform-orders", order.number)[0]["totals"]["amount"] for order in complete)
    codes = [code for order in complete for code in order.discounts]
    stock = [stock_of(shop, sku) for sku in promises.stock]
    pieces = {name: sum(counts[name] for counts in stock) for name in stock[0]}
    return "\n".join(
        (
            f"{len(promises.orders)} orders: {dict(outcomes)}; {len(buyers.unavailable)} baskets could not be bought",
            f"charges {charged}, totals of Complete orders {totals}; {sum(o.total == 0 for o in complete)} orders were free",
            f"{len(codes)} vouchers were redeemed, {len(set(codes))} of {len(promises.vouchers)} different ones; "
            f"{sum(len(order.discounts) > 1 for order in complete)} orders had several",
            f"{len(stock)} products: {pieces}; the stock added up at {state.moments} moments",
            f"{state.prices} prices changed; {promises.responses['orders', 409, 'QUOTATION_CHANGED']} quotations changed",
        )
    )
