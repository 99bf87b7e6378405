"""64 buyers order the last piece of a product at once: one gets it, the others pay nothing and keep their baskets."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.resilience.purchases import Unavailable, add_lines, order_quotation, place_order, quote, request_status
from tests.resilience.retrying_client import Client
from tools.client import Shop, eventually
from tools.drivers.invariants.money import charges
from tools.drivers.invariants.runner import RECOVERY_SECONDS, assert_invariants
from tools.drivers.products import sell, stock_of
from tools.drivers.promises import Promises

BUYERS = 64


@pytest.mark.timeout(RECOVERY_SECONDS * 2)
def test_one_of_many_buyers_gets_the_last_piece(shop: Shop):
    promises = Promises.of(shop)
    sku = sell(shop, "LAST", stock=1)["sku"]
    promises.stock[sku] = stock_of(shop, sku)
    # The other half orders a basket without a quotation.
    clients = [Client(shop, promises, number) for number in range(BUYERS)]
    with ThreadPoolExecutor(BUYERS) as threads:
        baskets = list(threads.map(lambda client: add_lines(client, {sku: 1}), clients))
        quotations = list(threads.map(quote, clients[::2], baskets[::2]))
        start = threading.Barrier(BUYERS)

        def order(number: int) -> str:
            """The reason why nothing was ordered, "" if an order was placed."""
            client, basket = clients[number], baskets[number]
            start.wait()
            try:
                if number % 2:
                    place_order(client, basket, may_fail_for=["OUT_OF_STOCK"])
                else:
                    order_quotation(client, quotations[number // 2], may_fail_for=["OUT_OF_STOCK"])
            except Unavailable as unavailable:
                return str(unavailable)
            return ""

        refusals = [text for text in threads.map(order, range(BUYERS)) if text]

        def orders_have_ended() -> bool:
            list(threads.map(lambda order: request_status(clients[0], order), promises.orders))
            return all(order.ended for order in promises.orders)

        eventually(orders_have_ended, timeout=RECOVERY_SECONDS)
    outcomes = Counter(order.reason or order.statuses[-1] for order in promises.orders)
    print(f"{outcomes}, and {len(refusals)} changed quotations: {set(refusals)}")
    assert outcomes["Complete"] == 1
    assert outcomes["OUT_OF_STOCK"] + len(refusals) == BUYERS - 1
    assert all("OUT_OF_STOCK" in text for text in refusals)
    assert len(promises.orders) + len(refusals) == BUYERS
    assert_invariants(shop, promises)
    charged = {number for number in charges(shop) if number in {order.number for order in promises.orders}}
    assert charged == {order.number for order in promises.complete_orders()}
    assert stock_of(shop, sku) == {"received": 1, "sold": 1, "reserved": 0, "available": 0}
    print(f"charged: {charged}; {stock_of(shop, sku)}; {BUYERS - 1} baskets are open")
