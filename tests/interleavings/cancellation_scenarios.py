"""Paid orders that operators cancel or redrive while late deliveries of them continue."""

import json
from collections.abc import Callable
from typing import Any

from tests.interleavings.order_holding_scenarios import MANY_CALLS, ordered_with_voucher, sell
from tests.interleavings.order_scenarios import (
    PAYMENT,
    SUBMIT,
    TO_COMPLETION,
    deliver,
    orders,
    record_statuses,
    run_remaining_steps,
)
from tests.interleavings.scenario import Invariant, Scenario
from tests.interleavings.scheduler import Bounds, Run
from tests.interleavings.state import Message
from tests.interleavings.world import World

CANCELLED = "Cancelled"


def send(world: World, name: str, **command: Any) -> None:
    """Put a message about the only order in front of those of the submit queue."""
    (order,) = orders(world)
    body = json.dumps({"order_number": order["order_number"], **command})
    world.queues[SUBMIT].insert(0, Message(name, body, {}, ""))


def paid_and_sold_out(world: World) -> None:
    """A paid order that the platform did not answer about, and whose reserved pieces are gone; and two messages about it."""
    ordered_with_voucher(deliveries=TO_COMPLETION)(world)
    world.down.add("commerce")
    assert not world.deliver(PAYMENT)
    world.down.clear()
    world.queues[PAYMENT].clear()
    assert [order["backend_status"] for order in orders(world)] == ["Payment authorized"]
    sell(world, 0)
    send(world, "first")
    send(world, "second")


def reject_and_cancel(world: World) -> None:
    """Another delivery rejects the order; its product is back in stock, and an operator cancels the order."""
    world.deliver(SUBMIT)
    sell(world, 9)
    send(world, "cancel", cancel=True)
    world.deliver(SUBMIT)


def end(world: World) -> None:
    """An operator redrives an order that is still rejected, and refunds one that is cancelled."""
    run_remaining_steps(world)
    (order,) = orders(world)
    if "rejected_reason" in order:
        send(world, "redrive", redrive=True)
        run_remaining_steps(world)
    refund_cancelled(world)


def refund_cancelled(world: World) -> None:
    cancelled = {order["order_number"] for order in orders(world) if order["backend_status"] == CANCELLED}
    for key, charge in world.records("charges").items():
        if charge["order_number"] in cancelled:
            document = json.dumps(charge | {"status": "refunded"})
            world.put("partners.Table", {"collection": "charges", "key": key, "revision": 9, "document": document})


def cancelled_orders_sell_nothing(world: World, run: Run) -> str:
    cancelled = {order["order_number"] for order in orders(world) if order["backend_status"] == CANCELLED}
    sold = cancelled & world.records("orders").keys()
    pieces = world.records("products").get("SP-1", {}).get("inventory", {}).get("sold", 0) if cancelled else 0
    return f"the platform has {sold}, and sold {pieces} pieces" if sold or pieces else ""


INVARIANTS = (Invariant("orders", "A cancelled order sells nothing.", cancelled_orders_sell_nothing),)


def _scenario(name: str, set_up: Callable[[World], None], sides: Any, bounds: Bounds = MANY_CALLS) -> Scenario:
    return Scenario(
        "orders",
        name,
        set_up,
        sides,
        afterwards=end,
        needs=("basket", "tax", "payments", "vouchers", "sequences"),
        watch=record_statuses,
        bounds=bounds,
    )


SCENARIOS = (
    _scenario(
        "a paid order is rejected and cancelled while a late delivery continues",
        paid_and_sold_out,
        {"late": deliver(SUBMIT), "operator": reject_and_cancel},
        Bounds(switches=2, mixed=10, random=10),
    ),
)
