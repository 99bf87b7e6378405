"""Every minute: process orders again that have made no progress for too long, from their stored status.

An order that waits for an operator makes none; processing it only renews what it holds.
"""

import time
from typing import Any

from orders.domain.locks import RENEWAL_SECONDS
from orders.domain.sweep_schedule import remaining_payment_seconds, seconds_to_next_sweep
from orders.events import enqueue_order
from orders.repository import orders
from orders.repository.orders import PARTITIONS, REJECTED, STUCK, StoredOrder
from setpieces.observability import logger, metrics, observed

LIMIT = 100
RENEWED_LIMIT = 20


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """{"swept": number of orders}."""
    swept = sum(_sweep(due) for due in orders.list_due(LIMIT))
    for due in orders.list_due_rejected(RENEWED_LIMIT):
        _renew(due)
    metrics.add_metric(name="StuckOrders", unit="Count", value=orders.count_in_partition(STUCK))
    metrics.add_metric(name="RejectedOrders", unit="Count", value=orders.count_in_partition(REJECTED))
    return {"swept": swept}


def _sweep(due: dict[str, Any]) -> bool:
    """Whether the order was enqueued again. ``due`` is its entry in the index."""
    order = _load(due, PARTITIONS)
    if order is None:
        return False
    payment_seconds = remaining_payment_seconds(dict(order), time.time())
    if payment_seconds > 0:
        orders.defer_sweep(order, payment_seconds)
        return False
    # Sent before it is claimed: a crash in between sends it once more, which has no further effect.
    enqueue_order(order["order_number"], order["correlation_id"], order.get("attempt", 0))
    if not orders.claim_for_sweep(order, seconds_to_next_sweep(dict(order), orders.stuck_seconds())):
        return False
    logger.warning("order is stuck", extra={name: due[name] for name in ("order_number", "backend_status")})
    return True


def _renew(due: dict[str, Any]) -> None:
    order = _load(due, (REJECTED,))
    if order:
        enqueue_order(order["order_number"], order["correlation_id"], order.get("attempt", 0))
        orders.defer_sweep(order, RENEWAL_SECONDS)


def _load(due: dict[str, Any], partitions: tuple[str, ...]) -> StoredOrder | None:
    """The order of an entry in the index, which may be behind the table; None if the entry is."""
    order = orders.load(due["order_number"])
    is_due = order and order["check_at"] == due["check_at"] and order.get("in_progress") in partitions
    return order if is_due else None
