"""Client of the orders service. Events carry references only: the bus is logged, and a payment token must not be."""

from payments.domain import Order
from setpieces import signed_client
from setpieces.errors import ExternalUnavailable, PermanentFailure

LOAD_SECONDS = 2.0


def load_order(order_number: str) -> Order:
    """Load an order.

    Raises ``ExternalUnavailable``, and ``PermanentFailure`` UNKNOWN_ORDER for an order that does not exist or has expired: an
    order is stored before its event is published, so a retry would not find it either.
    """
    response = signed_client.call("orders", "GET", f"/v1/internal/orders/{order_number}", timeout=LOAD_SECONDS)
    if response.status in (404, 410):
        raise PermanentFailure("UNKNOWN_ORDER", f"the orders service does not know {order_number}")
    if response.status != 200:
        raise ExternalUnavailable("orders", f"answered {response.status}")
    order = response.body
    try:
        return Order(
            order_number=order_number,
            customer_id=order["customer_id"],
            backend_status=order["backend_status"],
            amount=order["amount"],
            currency=order["currency"],
            payment_token=order.get("payment_token") or "",
            rejected_reason=order.get("rejected_reason") or "",
        )
    except (KeyError, TypeError) as error:
        raise ExternalUnavailable("orders", "the response is not an order") from error
