"""Builds that are broken on purpose: the invariants must detect each defect.

Each mutation replaces one text of the deployed code of the running shop, or a deployed setting. A small campaign then provokes
the fault: duplicate messages, a disabled consumer, a partner outage, repeated events. One specific invariant must be violated.
After the original is restored, the same campaign satisfies every invariant.
"""

import functools
import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.spokes import dead_letters
from tests.resilience.disturbances import (
    disturbed_deliveries,
    get_mapping,
    non_empty_queues,
    repeat_events,
    wait_until_idle,
    without_consumer,
)
from tests.resilience.journeys import fill_basket, place_order, produce, redeem, request_status, update_from_platform
from tests.resilience.retrying_client import Client, Refused
from tools import feeds
from tools.client import Shop, eventually
from tools.drivers import vouchers
from tools.drivers.ingestion import delivered_lines, event_count
from tools.drivers.invariants import customers, orders, records
from tools.drivers.invariants import vouchers as voucher_invariants
from tools.drivers.invariants.runner import Invariant, assert_invariants, violations
from tools.drivers.invariants.traces import log_messages
from tools.drivers.invariants.violations import Violations
from tools.drivers.promises import Order, Promises
from tools.drivers.queues import depths, is_dead

LIVE = "live"
REPORT_FAILURES = ["ReportBatchItemFailures"]

Campaign = Callable[[Client], None]


# --- small campaigns ---


def buy(client: Client) -> Order:
    """Place one order that becomes Complete."""
    items = client.call("GET", "/catalog/v1/products?query=sp-", 200).json()["items"]
    return place_order(client, fill_basket(client, next(item for item in items if item["available"])))


def order(client: Client) -> None:
    buy(client)


def request_basket(client: Client) -> None:
    items = client.call("GET", "/catalog/v1/products?query=sp-", 200).json()["items"]
    fill_basket(client, next(item for item in items if item["available"]))


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
    admin = feeds.admin_session(client.shop)
    batch = vouchers.wait_for_batch(client.shop, admin, vouchers.create_batch(client.shop, admin, count=1))
    redeem(client, vouchers.download_file(batch).decode().split()[0])


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


# --- mutations ---


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
        orders.orders_are_charged_at_most_once,
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
        "orders/workflow/fulfillment.py",
        "    publish_event(COMPLETE, dict(order))\n",
        "",
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
        "vouchers/repository/redemptions.py",
        '"attempt": attempt}, "attribute_not_exists(code)")',
        f'"attempt": attempt}}, "{ALWAYS.format("code")}")',
        redeem_voucher,
        voucher_invariants.vouchers_are_redeemed_once,
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


@contextmanager
def apply_mutation(shop: Shop, mutation: Mutation | Unreported) -> Iterator[None]:
    """Apply the mutation during the block. Fails if it is stale."""
    undo: list[Callable[[], Any]] = []
    try:
        if isinstance(mutation, Unreported):
            undo.append(disable_failure_reports(shop, mutation.queue))
        else:
            for function in mutation.functions:
                undo.append(changed(shop, f"setpieces-{shop.stage}-{function}", mutation))
        yield
    finally:
        for each in reversed(undo):
            each()


def disable_failure_reports(shop: Shop, queue: str) -> Callable[[], Any]:
    """Disable failure reports of the queue's mapping. Returns a function that restores them."""
    mapping, api = get_mapping(shop, queue), shop.aws("lambda")
    assert mapping["FunctionResponseTypes"] == REPORT_FAILURES, f"stale: {queue} does not report failures"
    api.update_event_source_mapping(UUID=mapping["UUID"], FunctionResponseTypes=[])
    return lambda: api.update_event_source_mapping(UUID=mapping["UUID"], FunctionResponseTypes=REPORT_FAILURES)


def changed(shop: Shop, function: str, mutation: Mutation) -> Callable[[], Any]:
    """Deploy a function with the mutation, under its alias if it has one. Returns a function that restores it."""
    api = shop.aws("lambda")
    # The emulator does not sign the link, so its route requires the token.
    link = urlsplit(api.get_function(FunctionName=function)["Code"]["Location"])
    original = shop.emulator("GET", link.path).raise_for_status().content
    version = {alias["Name"]: alias["FunctionVersion"] for alias in api.list_aliases(FunctionName=function)["Aliases"]}
    deploy(shop, function, apply_to_zip(original, mutation), publish=bool(version))

    def undo() -> None:
        if version:
            api.update_alias(FunctionName=function, Name=LIVE, FunctionVersion=version[LIVE])
        deploy(shop, function, original, publish=False)

    return undo


def apply_to_zip(original: bytes, mutation: Mutation) -> bytes:
    """Return the function's zip with the mutation."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(original)) as before, zipfile.ZipFile(changed, "w") as after:
        text = before.read(mutation.file).decode()
        times = text.count(mutation.old)
        assert times == 1, f"stale: {mutation.file} has {mutation.old!r} {times} times, say in MUTATIONS what it is now"
        for name in before.namelist():
            content = text.replace(mutation.old, mutation.new).encode() if name == mutation.file else before.read(name)
            after.writestr(name, content)
    return changed.getvalue()


def deploy(shop: Shop, function: str, code: bytes, publish: bool) -> None:
    api = shop.aws("lambda")
    version = api.update_function_code(FunctionName=function, ZipFile=code, Publish=publish)["Version"]
    eventually(lambda: api.get_function_configuration(FunctionName=function)["LastUpdateStatus"] == "Successful")
    if publish:
        api.update_alias(FunctionName=function, Name=LIVE, FunctionVersion=version)


# --- the test ---


def run(shop: Shop, campaign: Campaign) -> Promises:
    """Run one campaign until all queues are empty."""
    promises = Promises.of(shop)
    client = Client(shop, promises, campaign.__name__)
    try:
        campaign(client)
    except Refused as refused:
        promises.failures.append(str(refused))
    wait_until_idle(shop, promises)
    return promises


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_invariants_detect_a_broken_build(shop: Shop, mutation: Mutation | Unreported):
    def complaints() -> Violations:
        return violations(shop, promises, [mutation.complains]).get(mutation.complains.__name__, [])

    with apply_mutation(shop, mutation):
        promises = run(shop, mutation.campaign)
        complaint_details = eventually(complaints)
        # The violation is permanent: no pending message repairs it.
        wait_until_idle(shop, promises)
        assert complaints()
    delete_dead_letters(shop, promises)
    print(f"\n{mutation.name}: {complaint_details[0]}")
    assert_invariants(shop, run(shop, mutation.campaign))


def delete_dead_letters(shop: Shop, promises: Promises) -> None:
    """Delete dead letters of a broken build."""
    for queue in filter(is_dead, depths(shop)):
        for order in promises.orders:
            dead_letters(shop, queue.removeprefix(f"setpieces-{shop.stage}-"), order.number)
