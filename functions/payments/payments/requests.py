"""Orders as their own service tells them. The event carries references only: the bus is logged, a payment token must not be."""

from payments.domain import Order
from setpieces import signed_client
from setpieces.errors import ExternalUnavailable, PermanentFailure

READ_SECONDS = 2.0


def read_order(order_number: str) -> Order:
    """The order. Raises ``ExternalUnavailable``; ``PermanentFailure`` UNKNOWN_ORDER for one that is not there, or no longer.

    An order is stored before its event is sent, so waiting for it would not help.
    """
    answer = signed_client.call("orders", "GET", f"/v1/internal/orders/{order_number}", timeout=READ_SECONDS)
    if answer.status in (404, 410):
        raise PermanentFailure("UNKNOWN_ORDER", f"the orders service does not know {order_number}")
    if answer.status != 200:
        raise ExternalUnavailable("orders", f"answered {answer.status}")
    try:
        known = {name: answer.body[name] for name in ("customer_id", "backend_status", "amount", "currency")}
    except (KeyError, TypeError) as error:
        raise ExternalUnavailable("orders", "answered something else than an order") from error
    return Order(order_number, **known, payment_token=answer.body.get("payment_token") or "")
