"""Every minute: orders that have been in progress for too long are processed again, from wherever they stand."""

import time
from typing import Any

from orders.domain.sweeps import payment_seconds, wait
from orders.messages import enqueue
from orders.repository import PARTITIONS, REJECTED, STUCK, count_under, due, patience, postpone, read
from setpieces.observability import logger, metrics, observed

LIMIT = 100


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """{"swept": how many orders}."""
    swept = sum(_sweep(found) for found in due(LIMIT))
    metrics.add_metric(name="StuckOrders", unit="Count", value=count_under(STUCK))
    metrics.add_metric(name="RejectedOrders", unit="Count", value=count_under(REJECTED))
    return {"swept": swept}


def _sweep(found: dict[str, Any]) -> bool:
    order = read(found["order_number"])
    # The index is behind its table.
    if order is None or order["check_at"] != found["check_at"] or order.get("in_progress") not in PARTITIONS:
        return False
    left = payment_seconds(order, time.time())
    if left > 0:
        postpone(order, left, swept=False)
        return False
    # Sent before it is claimed: a crash in between sends it once more, which is harmless.
    enqueue(order["order_number"], order["correlation_id"])
    if not postpone(order, wait(order, patience()), swept=True):
        return False
    logger.warning("order is stuck", extra={name: order[name] for name in ("order_number", "backend_status")})
    return True
