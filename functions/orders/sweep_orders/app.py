"""Every minute: orders that have been in progress for too long are processed again, from wherever they stand."""

from typing import Any

from order_queue import enqueue
from order_table import postpone, stuck

from setpieces.observability import logger, metrics, observed

LIMIT = 100


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """{"swept": how many orders}."""
    swept = 0
    for order in stuck(LIMIT):
        # Sent before it is claimed: a crash in between sends it once more, which is harmless.
        enqueue(order["order_number"], order["correlation_id"])
        if postpone(order["order_number"], order["check_at"]):
            logger.warning("order is stuck", extra={name: order[name] for name in ("order_number", "backend_status")})
            swept += 1
    metrics.add_metric(name="StuckOrders", unit="Count", value=swept)
    return {"swept": swept}
