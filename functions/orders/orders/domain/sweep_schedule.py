"""When an order without progress is processed again: at growing intervals, and not while its payment is in progress. Pure.

Each retry adds a message to those that are in the queues already, and an outage holds up many orders at once: at short
intervals, the queues would fill with copies faster than they can be processed.
"""

from datetime import datetime
from typing import Any

from orders.domain.statuses import PAYMENT_PROCESSING

MAX_SECONDS = 3600
# Payments works on one Order submit for so long: nine attempts of at most 8 s, and 510 s of waits in between.
PAYMENT_SECONDS = 600


def seconds_to_next_sweep(order: dict[str, Any], first: int) -> int:
    """Seconds until the order is swept again: at least ``first``, twice as long each time, at most an hour."""
    shortest = max(first, PAYMENT_SECONDS) if order["backend_status"] == PAYMENT_PROCESSING else first
    return min(shortest * 2 ** min(order.get("sweeps", 0), 10), max(shortest, MAX_SECONDS))


def remaining_payment_seconds(order: dict[str, Any], now: float) -> int:
    """Seconds for which payments still works on the Order submit that followed the order's last change; 0 or less if not."""
    if order["backend_status"] != PAYMENT_PROCESSING:
        return 0
    return round(datetime.fromisoformat(order["updated_at"]).timestamp() + PAYMENT_SECONDS - now)
