"""Runs the invariants until all hold, or a deadline passes."""

import time
from collections.abc import Callable, Iterable

import httpx

from tools.client import Shop
from tools.drivers.invariants.baskets import baskets_hold_their_items
from tools.drivers.invariants.customers import (
    customers_are_created_and_migrated_once,
    updates_of_the_platform_are_passed_on,
)
from tools.drivers.invariants.money import charges_are_the_totals_of_complete_orders, orders_are_charged_at_most_once
from tools.drivers.invariants.orders import (
    every_client_was_served,
    no_order_is_in_progress,
    no_order_is_lost,
    orders_are_shipped_once,
    statuses_never_regress,
)
from tools.drivers.invariants.records import (
    every_event_is_kept_and_counted,
    every_record_of_a_feed_is_accounted_for,
    sitemaps_are_released,
)
from tools.drivers.invariants.stock import stock_adds_up, stock_is_sold_to_complete_orders
from tools.drivers.invariants.traces import (
    every_event_on_the_bus_is_valid,
    no_log_contains_secrets,
    queues_are_drained,
)
from tools.drivers.invariants.violations import Violations
from tools.drivers.invariants.vouchers import (
    voucher_batches_are_complete_and_unique,
    vouchers_are_redeemed_once,
    vouchers_pay_for_one_order,
)
from tools.drivers.promises import Promises

# Time that the shop has to finish all work. A message is deferred for at most five minutes (``setpieces.sqs_consumer``), and
# possibly twice on a busy machine.
RECOVERY_SECONDS = 720

Invariant = Callable[[Shop, Promises], Violations]
INVARIANTS: tuple[Invariant, ...] = (
    # First: other invariants sign in an admin, which publishes an event.
    queues_are_drained,
    every_client_was_served,
    no_order_is_lost,
    no_order_is_in_progress,
    statuses_never_regress,
    baskets_hold_their_items,
    orders_are_charged_at_most_once,
    charges_are_the_totals_of_complete_orders,
    orders_are_shipped_once,
    stock_adds_up,
    stock_is_sold_to_complete_orders,
    customers_are_created_and_migrated_once,
    updates_of_the_platform_are_passed_on,
    voucher_batches_are_complete_and_unique,
    vouchers_are_redeemed_once,
    vouchers_pay_for_one_order,
    every_record_of_a_feed_is_accounted_for,
    every_event_is_kept_and_counted,
    sitemaps_are_released,
    every_event_on_the_bus_is_valid,
    no_log_contains_secrets,
)


def violations(shop: Shop, promises: Promises, invariants: Iterable[Invariant] = INVARIANTS) -> dict[str, Violations]:
    """The current violations by invariant. A failed request is a violation, too."""
    results = {}
    for invariant in invariants:
        try:
            results[invariant.__name__] = invariant(shop, promises)
        except (httpx.HTTPError, LookupError) as error:
            results[invariant.__name__] = [f"could not be checked: {type(error).__name__}: {error}"]
    return {name: lines for name, lines in results.items() if lines}


def remaining_violations(
    shop: Shop, promises: Promises, timeout: float, invariants: Iterable[Invariant] = INVARIANTS, interval: float = 2
) -> dict[str, Violations]:
    """Wait until all invariants hold at the same time; return the violations that are left after ``timeout`` seconds."""
    invariants, deadline = list(invariants), time.monotonic() + timeout
    pending = invariants
    while True:
        current = violations(shop, promises, pending)
        if pending == invariants and not current:
            return {}
        if time.monotonic() > deadline:
            return violations(shop, promises, invariants)
        # Checks only the violated invariants again, and once they hold, all.
        pending = [invariant for invariant in invariants if invariant.__name__ in current] or invariants
        time.sleep(interval if current else 0)


def assert_invariants(
    shop: Shop, promises: Promises, timeout: float = RECOVERY_SECONDS, invariants: Iterable[Invariant] = INVARIANTS
) -> None:
    """Raises ``AssertionError`` with the violations that are left after ``timeout`` seconds."""
    if remaining := remaining_violations(shop, promises, timeout, invariants):
        raise AssertionError(format_violations(remaining))


def format_violations(by_invariant: dict[str, Violations], limit: int = 20) -> str:
    """A text of all violations, of each invariant at most ``limit``."""
    lines = [f"{sum(map(len, by_invariant.values()))} violations of {len(by_invariant)} invariants"]
    for name, texts in by_invariant.items():
        lines += [f"\n{name.replace('_', ' ')}:", *(f"  {text}" for text in texts[:limit])]
        lines += [f"  and {len(texts) - limit} more"] if len(texts) > limit else []
    return "\n".join(lines)
