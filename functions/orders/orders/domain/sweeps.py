"""When an order that makes no progress is processed again: ever more seldom, and not while its payment is being tried. Pure.

Each time a message is added to those that are already on their way, and an outage holds up many orders at once: told at short
intervals, they would fill the queues with copies faster than anything could work them off.
"""

from datetime import datetime
from typing import Any

from orders.domain.statuses import PAYMENT_PROCESSING

MOST_SECONDS = 3600
# Payments tries one Order submit for so long: nine attempts of at most 8 s, and 510 s of waits in between.
PAYMENT_SECONDS = 600


def wait(order: dict[str, Any], first: int) -> int:
    """Seconds from this sweep of an order to the next: at least ``first``, twice as long each time, at most an hour."""
    shortest = max(first, PAYMENT_SECONDS) if order["backend_status"] == PAYMENT_PROCESSING else first
    return min(shortest * 2 ** min(order.get("sweeps", 0), 10), max(shortest, MOST_SECONDS))


def payment_seconds(order: dict[str, Any], now: float) -> int:
    """For how much longer payments tries the Order submit that followed the order's last change; 0 or less: no longer."""
    if order["backend_status"] != PAYMENT_PROCESSING:
        return 0
    return round(datetime.fromisoformat(order["updated_at"]).timestamp() + PAYMENT_SECONDS - now)
