"""Defects for ``test_mutations.py``, and the small campaigns that provoke their faults."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.integration.checkouts import inside
from tests.resilience.disturbances import (
    disturbed_deliveries,
    non_empty_queues,
    repeat_events,
    wait_until_idle,
    without_consumer,
)
from tests.resilience.journeys import produce, update_from_platform
from tests.resilience.purchases import (
    fill_basket,
    list_products,
    order_quotation,
    place_order,
    quote,
    redeem,
    request_status,
    wait_for_order,
    watch_voucher,
)
from tests.resilience.retrying_client import Client
from tools import feeds
from tools.client import FLOW_SECONDS, Shop, eventually
from tools.drivers import vouchers
from tools.drivers.ingestion import delivered_lines, event_count
from tools.drivers.invariants import baskets, customers, money, orders, records, stock
from tools.drivers.invariants import vouchers as voucher_invariants
from tools.drivers.invariants.runner import Invariant
from tools.drivers.invariants.traces import log_messages
from tools.drivers.products import sell
from tools.drivers.promises import Order

Campaign = Callable[[Client], None]


def buy(client: Client) -> Order:
    """Place one order that becomes Complete, of a new product: a broken build may leave pieces reserved."""
    return place_order(client, fill_new_basket(client))


def order(client: Client) -> None:
    buy(client)


def request_basket(client: Client) -> None:
    fill_basket(client, list_products(client)[0])


def fill_new_basket(client: Client) -> str:
    """A basket with two of a product that no other campaign uses."""
    return fill_basket(client, sell(client.shop, "MUTATION"))


def declined_card(client: Client) -> None:
    place_order(client, fill_new_basket(client), "tok_declined")


def pay_with_voucher(client: Client) -> None:
    """An order that a voucher pays in part."""
    order_quotation(client, quote(client, fill_new_basket(client), issue_vouchers(client, 1)))


def pay_twice_with_voucher(client: Client) -> None:
    """Two quotations with the same voucher, both ordered and validated before the payment of one is completed."""
    codes = issue_vouchers(client, 1)
    quotations = [quote(client, fill_new_basket(client), codes) for _ in "ab"]
    with without_consumer(client.shop, "orders-payment"):
        with without_consumer(client.shop, "orders-submit"):
            placed = [order_quotation(client, quotation) for quotation in quotations]
        for order in placed:
            eventually(partial(is_validated, client.shop, order.number))


def is_validated(shop: Shop, number: str) -> bool:
    """Whether an order has reserved what it needs, or has failed."""
    return bool(inside(shop, number)["backend_status"] != "Validating")


def issue_vouchers(client: Client, count: int) -> list[str]:
    """The codes of a new batch, which the invariants check."""
    admin = feeds.admin_session(client.shop)
    batch = vouchers.wait_for_batch(client.shop, admin, vouchers.create_batch(client.shop, admin, count=count))
    codes = vouchers.download_file(batch).decode().split()
    for code in codes:
        watch_voucher(client, code)
    return codes


def twice(campaign: Campaign) -> Campaign:
    """Run the campaign while every message is delivered twice and late."""

    @functools.wraps(campaign)
    def disturbed_campaign(client: Client) -> None:
        with disturbed_deliveries(client.shop, late_seconds=0.2):
            campaign(client)
            wait_until_idle(client.shop, client.promises)

    return disturbed_campaign


@twice
def results_wait(client: Client) -> None:
    """An order whose payment is requested twice before its result is published."""
    with without_consumer(client.shop, "orders-payment"):
        buy(client)
        wait_until_idle(client.shop, client.promises, "orders-submit", "payments-submitted")


@twice
def repeat_all_events(client: Client) -> None:
    """All events of a complete order are repeated while the platform rejects orders."""
    bought = buy(client)

    def bought_ended() -> bool:
        wait_until_idle(client.shop, client.promises)
        return bought.ended

    eventually(bought_ended)
    with client.shop.faults("commerce", outage=True, operations=["put_order"]):
        repeat_events(client.shop, client.promises, client.chance)
        eventually(lambda: in_progress(client, bought) or not non_empty_queues(client.shop, client.promises))


def in_progress(client: Client, bought: Order) -> bool:
    request_status(client, bought)
    return bought.statuses[-1] == "Processing"


def outage(system: str, function: str) -> Campaign:
    """An order whose message is deferred because of a partner's outage. A duplicate would hide its loss."""

    def is_deferred(client: Client) -> bool:
        group = f"/aws/lambda/setpieces-{client.shop.stage}-{function}"
        return any(
            "record deferred" in message for message in log_messages(client.shop, group, client.promises.started)
        )

    def campaign(client: Client) -> None:
        with client.shop.faults(system, outage=True):
            buy(client)
            eventually(lambda: is_deferred(client))

    return campaign


def redeem_voucher(client: Client) -> None:
    """A voucher of a new batch, redeemed for one order and then for another."""
    bought = [buy(client) for _ in "ab"]
    for each in bought:
        wait_for_order(client, each, FLOW_SECONDS)
    (code,) = issue_vouchers(client, 1)
    redeem(client, code, bought)


@twice
def updates(client: Client) -> None:
    """Updates of the commerce platform, relayed at once instead of on schedule."""
    update_from_platform(client)
    relay = f"setpieces-{client.shop.stage}-event-relay-relay-events"
    client.shop.aws("lambda").invoke(FunctionName=relay, InvocationType="Event", Payload=b"{}")


@twice
def events(client: Client) -> None:
    """Events whose delivered objects are notified twice."""
    produce(client)
    bucket = client.shop.address("ingestion", "bucket-name")
    for name, accepted in client.promises.events.items():
        eventually(partial(is_delivered_and_counted, client.shop, bucket, name, len(accepted)))


def is_delivered_and_counted(shop: Shop, bucket: str, name: str, least: int) -> bool:
    """True if the bucket and the counts contain at least ``least`` events of a type."""
    return len(delivered_lines(shop, bucket, name)) >= least and event_count(shop, name) >= least


@dataclass(frozen=True)
class Mutation:
    """In ``file`` of the deployed ``functions``, ``old`` becomes ``new``; ``complains`` is the invariant that must fail."""

    name: str
    functions: tuple[str, ...]
    file: str
    old: str
    new: str
    campaign: Campaign
    complains: Invariant


@dataclass(frozen=True)
class Unreported:
    """The mapping of ``queue`` has no partial batch responses any more, so failed records count as processed."""

    name: str
    queue: str
    campaign: Campaign
    complains: Invariant


ALWAYS = "(attribute_exists({0}) OR attribute_not_exists({0}))"

MUTATIONS = (
    Mutation(
        "payments: a new idempotency key for each attempt",
        ("payments-authorize-payment",),
        "payments/clients/provider.py",
        '{"Idempotency-Key": order.order_number}',
        '{"Idempotency-Key": __import__("uuid").uuid4().hex}',
        results_wait,
        money.orders_are_charged_at_most_once,
    ),
    Mutation(
        "orders: any status may follow any other",
        ("orders-process-order", "orders-complete-order"),
        "orders/repository/orders.py",
        'condition = "backend_status IN (:before)"',
        'condition = "backend_status IN (:before) OR attribute_exists(order_number)"',
        repeat_all_events,
        orders.statuses_never_regress,
    ),
    Mutation(
        "orders: an accepted order is not enqueued",
        ("orders-submit-order",),
        "orders/workflow/submission.py",
        "        enqueue_order(number, correlation_id)\n",
        "        pass\n",
        order,
        orders.no_order_is_lost,
    ),
    Mutation(
        "orders: Order complete is not published",
        ("orders-complete-order",),
        "orders/workflow/reservations.py",
        "        events.publish_event(events.COMPLETE, dict(order))\n",
        "        pass\n",
        order,
        orders.orders_are_shipped_once,
    ),
    Mutation(
        "payments: the handler reports no failed records",
        ("payments-authorize-payment",),
        "payments/handlers/authorize_payment.py",
        "handler = bus_handler(process)\n",
        "consume = bus_handler(process)\n\n\ndef handler(event, context):\n    consume(event, context)\n",
        outage("payments", "payments-authorize-payment"),
        orders.no_order_is_lost,
    ),
    Unreported(
        "shipping: the event source mapping ignores partial batch failures",
        "shipping-shipments.fifo",
        outage("sap", "shipping-ship-order"),
        orders.orders_are_shipped_once,
    ),
    Mutation(
        "basket: the idempotency key is ignored",
        ("basket-add-item",),
        "basket/requests.py",
        "key = request.idempotency_key() or secrets.token_urlsafe(18)",
        "key = secrets.token_urlsafe(18)",
        request_basket,
        orders.every_client_was_served,
    ),
    Mutation(
        "vouchers: a redeemed voucher is redeemed again",
        ("vouchers-redeem-voucher",),
        "vouchers/workflow/redemptions.py",
        "if stored and is_repetition(stored, command.order_number, command.customer_id):",
        "if stored:",
        redeem_voucher,
        voucher_invariants.vouchers_are_redeemed_once,
    ),
    Mutation(
        "orders: vouchers are reserved under a number that all orders share",
        ("orders-process-order", "orders-complete-order"),
        "orders/clients/vouchers.py",
        'orders/{number}"',
        'orders/T000000000"',
        pay_twice_with_voucher,
        voucher_invariants.vouchers_pay_for_one_order,
    ),
    Mutation(
        "orders: a discount is shown and not taken off",
        ("orders-create-quotation", "orders-submit-order"),
        "orders/domain/pricing.py",
        "self.tax_total - self.discount_total",
        "self.tax_total",
        pay_with_voucher,
        money.charges_are_the_totals_of_complete_orders,
    ),
    Mutation(
        "orders: a failed order is not closed",
        ("orders-complete-order", "orders-process-order", "orders-retry-stuck-orders"),
        "orders/workflow/reservations.py",
        "    orders.close(order)\n",
        "",
        declined_card,
        orders.no_order_is_in_progress,
    ),
    Mutation(
        "basket: a failed order keeps its basket",
        ("basket-set-order",),
        "basket/domain.py",
        "held_by=None if holds else basket.held_by",
        "held_by=basket.held_by",
        declined_card,
        baskets.baskets_hold_their_items,
    ),
    Mutation(
        "partners: the pieces of a sale stay reserved",
        ("partners-simulate",),
        "partners/domain/inventory.py",
        "    product = without_reservation(product, order_number, now)\n    inventory = _inventory(product)\n    bought",
        "    inventory = _inventory(product)\n    bought",
        order,
        stock.stock_is_sold_to_complete_orders,
    ),
    Mutation(
        "data-sync: each attempt has a new sync id",
        ("data-sync-sync-customer",),
        "data_sync/requests.py",
        'sync_id=derived_id("data-sync", spoke.name, *occurrence)',
        'sync_id=__import__("uuid").uuid4().hex',
        updates,
        customers.updates_of_the_platform_are_passed_on,
    ),
    Mutation(
        "ingestion: an object is counted once per notification",
        ("ingestion-roll-up",),
        "ingestion/repository/counts.py",
        '"attribute_not_exists(#counter)"',
        f'"{ALWAYS.format("#counter")}"',
        events,
        records.every_event_is_kept_and_counted,
    ),
)
