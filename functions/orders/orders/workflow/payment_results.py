"""The results of a payment: an authorized order is completed, a declined one fails, a rejected one waits for an operator.

Goods are shipped once an order is paid. So this does not rely on Payment authorized alone: it reads the charge from the payment
provider.
"""

from orders.clients.payments import holds_charge
from orders.domain.statuses import (
    CARD_DECLINED,
    FAILED,
    PAYMENT_AUTHORIZED,
    PAYMENT_DECLINED,
    PAYMENT_PROCESSING,
    STATUSES,
)
from orders.repository import orders
from orders.repository.orders import StoredOrder
from orders.workflow.fulfillment import complete_order, load_order
from setpieces.backoff import backoff_seconds
from setpieces.errors import PermanentFailure, RetryLater
from setpieces.observability import count, logger

# The provider's record may appear a little later than its answer to payments.
RECORD_RECEIVES = 4


def reject_payment(number: str, reason: str) -> None:
    if orders.reject(number, PAYMENT_PROCESSING, reason):
        count("OrderRejected")


def decline_payment(number: str) -> None:
    declined = orders.advance(number, CARD_DECLINED, reason_code=PAYMENT_DECLINED)
    if declined:
        count("OrderFailed")
    # A repeat may find an order whose completion or whose end was interrupted.
    complete_order(declined or _load_late(number, "DECLINED"))


def authorize_payment(number: str, charge_id: str, receive_count: int) -> None:
    """Complete an order whose payment is authorized; ``receive_count`` counts the deliveries of the event.

    Raises ``PermanentFailure`` UNKNOWN_ORDER, CHARGE_NOT_HELD, AUTHORIZED_AFTER_FAILURE, ORDER_DIFFERS; ``RetryLater`` while
    the provider has no record of the charge; ``ExternalUnavailable``.
    """
    _verify_charge(number, charge_id, receive_count)
    order = orders.advance(number, PAYMENT_AUTHORIZED, charge_id=charge_id) or _load_late(number, "AUTHORIZED")
    if STATUSES[order["backend_status"]].public == FAILED:
        raise PermanentFailure("AUTHORIZED_AFTER_FAILURE", f"the order has failed, but charge {charge_id} is held")
    complete_order(order)


def _load_late(number: str, status: str) -> StoredOrder:
    """The order of a result that is late or repeated."""
    logger.info("late or repeated result of a payment", extra={"order_number": number, "status": status})
    return load_order(number)


def _verify_charge(number: str, charge_id: str, receive_count: int) -> None:
    order = load_order(number)
    if order["backend_status"] != PAYMENT_PROCESSING or holds_charge(dict(order), charge_id):
        return
    if receive_count < RECORD_RECEIVES:
        raise RetryLater(backoff_seconds(receive_count), "the provider does not know the charge yet")
    raise PermanentFailure("CHARGE_NOT_HELD", f"the provider holds no charge {charge_id} over the amount of {number}")
