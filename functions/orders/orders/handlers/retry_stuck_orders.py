"""Every minute: process orders again that have made no progress for too long, from their stored status."""

import time
from typing import Any

from orders.domain.sweep_schedule import remaining_payment_seconds, seconds_to_next_sweep
from orders.events import enqueue_order
from orders.repository import orders
from orders.repository.orders import PARTITIONS, REJECTED, STUCK
from setpieces.observability import logger, metrics, observed

LIMIT = 100


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """{"swept": number of orders}."""
    swept = sum(_sweep(due) for due in orders.list_due(LIMIT))
    metrics.add_metric(name="StuckOrders", unit="Count", value=orders.count_in_partition(STUCK))
    metrics.add_metric(name="RejectedOrders", unit="Count", value=orders.count_in_partition(REJECTED))
    return {"swept": swept}


def _sweep(due: dict[str, Any]) -> bool:
    """Whether the order was enqueued again. ``due`` is its entry in the index, which may be behind the table."""
    order = orders.load(due["order_number"])
    if order is None or order["check_at"] != due["check_at"] or order.get("in_progress") not in PARTITIONS:
        return False
    payment_seconds = remaining_payment_seconds(dict(order), time.time())
    if payment_seconds > 0:
        orders.defer_sweep(order, payment_seconds)
        return False
    # Sent before it is claimed: a crash in between sends it once more, which has no further effect.
    enqueue_order(order["order_number"], order["correlation_id"])
    if not orders.claim_for_sweep(order, seconds_to_next_sweep(dict(order), orders.stuck_seconds())):
        return False
    logger.warning("order is stuck", extra={name: due[name] for name in ("order_number", "backend_status")})
    return True
