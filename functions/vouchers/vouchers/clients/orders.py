"""The public API of orders, asked with the caller's own session: it decides which orders the caller may read.

Not its internal API, which knows no callers. The address is all that is needed of it: the stack of orders depends on this one.
"""

import time

from setpieces import external
from setpieces.errors import RETRY_SECONDS, ExternalUnavailable, Refused, RetryLater
from setpieces.parameters import read_parameter
from setpieces.signed_client import NO_SUCH_PATH

CALL_SECONDS = 2.5
COMPLETE, FAILED = "Complete", "Failed"


def check_complete(order_number: str, authorization: str) -> None:
    """Check that the sender of this ``Authorization`` header, "" for a guest, may read the order, and that it is complete.

    Raises ``Refused`` ORDER_NOT_FOUND, ORDER_FAILED, ORDER_IN_PROGRESS, and ``RetryLater`` ORDERS_UNAVAILABLE.
    """
    try:
        status = _read_status(order_number, authorization)
    except ExternalUnavailable as error:
        detail = "The order cannot be checked; nothing was changed"
        raise RetryLater(error.retry_seconds, detail, "ORDERS_UNAVAILABLE") from error
    if status == FAILED:
        raise Refused("ORDER_FAILED", "This order has failed", "/order_number")
    if status != COMPLETE:
        detail = "This order is not complete yet"
        raise Refused("ORDER_IN_PROGRESS", detail, "/order_number", retry_after=RETRY_SECONDS)


def _read_status(order_number: str, authorization: str) -> str:
    """Raises ``Refused`` ORDER_NOT_FOUND, also for an order of another customer; ``ExternalUnavailable``."""
    deadline = time.monotonic() + CALL_SECONDS
    url = f"{read_parameter('orders', 'api-url')}/v1/orders/{order_number}/status"
    headers = {"Authorization": authorization} if authorization else {}
    answer = external.send("orders", "GET", url, body=None, headers=headers, sign=False, deadline=deadline)
    body = answer.body if isinstance(answer.body, dict) else {}
    if answer.status == 404 and body.get("code") == NO_SUCH_PATH:
        raise ExternalUnavailable("orders", "has no statuses of orders")
    if answer.status != 200:
        raise Refused("ORDER_NOT_FOUND", "There is no such order", "/order_number")
    if not isinstance(body.get("status"), str):
        raise ExternalUnavailable("orders", "answered something else than a status")
    return str(body["status"])
