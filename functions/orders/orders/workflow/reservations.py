"""What an order holds while it is in progress: its basket, its vouchers, and the stock of its lines.

They are held before payment is requested, renewed while the order is in progress, and settled once it has ended. Each call can
be repeated; the systems refuse reservations of an attempt whose reservations were settled, so a late delivery holds nothing.
"""

import time
from typing import Any

from orders import events
from orders.clients import basket, commerce, vouchers
from orders.domain.locks import RESERVATION_SECONDS, BasketNotFound, NotReserved
from orders.domain.statuses import BASKET_NOT_FOUND, COMPLETE, PAYMENT_AUTHORIZED, STATUSES
from orders.repository import orders
from orders.repository.orders import StoredOrder
from setpieces.errors import ExternalUnavailable
from setpieces.observability import logger
from setpieces.times import to_rfc3339


def reserve(order: StoredOrder) -> None:
    """Hold all that the order needs. Raises ``NotReserved``, ``ReservationClosed``, ``ExternalUnavailable``."""
    holder = _holder(order)
    try:
        basket.begin_order(holder)
    except BasketNotFound as error:
        raise NotReserved(BASKET_NOT_FOUND) from error
    vouchers.reserve(holder, _expiry())
    commerce.reserve(holder, _expiry())


def renew(order: StoredOrder) -> None:
    """Hold for longer what an order in payment holds. Raises as ``reserve`` does.

    The stock of a paid order is taken by putting it on the platform, also if its reservation has ended by itself. A lost
    voucher does not end the payment: a paid order is completed without it. An order that waits for an operator waits on,
    whatever it has lost.
    """
    waits = "rejected_reason" in order
    is_paid = order["backend_status"] == PAYMENT_AUTHORIZED
    holds = [vouchers.reserve] if is_paid and not waits else [vouchers.reserve, commerce.reserve]
    for hold in holds:
        try:
            hold(_holder(order), _expiry())
        except NotReserved as failure:
            if not (is_paid or waits):
                raise
            extra = {"order_number": order["order_number"], "reason": failure.reason}
            logger.warning("a reservation of an order in payment has ended", extra=extra)


def release_stock(order: StoredOrder) -> bool:
    """Give the order's stock back; False if the platform has an order of this number. Raises ``ExternalUnavailable``."""
    return commerce.release(_holder(order))


def close_order(order: StoredOrder) -> None:
    """Settle what an order with a terminal status holds, and take it out of those in progress.

    A complete order is published, redeems its vouchers and empties its basket; the platform took its stock. A failed one gives
    all back. Raises ``ExternalUnavailable``, ``PublishFailed``.
    """
    status = STATUSES[order["backend_status"]]
    if not status.terminal or "in_progress" not in order:
        return
    is_complete = status.public == COMPLETE
    if is_complete:
        # Published once the stored status cannot change any more. After a crash it is published again, with the same id.
        events.publish_event(events.COMPLETE, dict(order))
    # Without a snapshot nothing was reserved, and the basket was not marked.
    if "lines" in order:
        _settle(_holder(order), complete=is_complete)
    orders.close(order)


def _settle(holder: dict[str, Any], *, complete: bool) -> None:
    """Settle all, also while one of the systems is down; then its error is raised, so that all is repeated.

    A failed order first gives back what its customer can use: the vouchers, and the basket, which can be changed at once. The
    stock comes last. No order of the same basket misses it: there is none before this one is closed and unlocks the basket.
    """
    settled = (vouchers.redeem, basket.complete_order)
    given_back = (vouchers.release, basket.fail_order, commerce.release)
    errors: list[ExternalUnavailable] = []
    for settle in settled if complete else given_back:
        try:
            settle(holder)
        except ExternalUnavailable as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _holder(order: StoredOrder) -> dict[str, Any]:
    return {"attempt": 0, **order}


def _expiry() -> str:
    return to_rfc3339(time.time() + RESERVATION_SECONDS)
