"""What SAP needs of an order, and what its responses mean. Pure."""

from typing import Any, TypedDict

from setpieces.backoff import backoff_seconds
from setpieces.errors import PermanentFailure, RetryLater

# HTTP status of PUT /shipments/{order_number} -> the log message. After a repeat SAP responds with 200.
ACCEPTED = {201: "order shipped", 200: "order was shipped before"}
REFUSED = {409: "DIFFERENT_SHIPMENT"}
# The commerce platform may return an order only a little later than its event arrives here.
MAX_RECEIVES_OF_UNKNOWN_ORDER = 4


class ShipmentLine(TypedDict):
    """``quantity`` pieces of one SKU."""

    sku: str
    quantity: int


class Shipment(TypedDict):
    """The body of PUT /shipments/{order_number}."""

    customer_id: str
    lines: list[ShipmentLine]
    ship_to: dict[str, Any]


def build_shipment(order: dict[str, Any]) -> Shipment:
    """The shipment of an order: goods and address, without prices and status. The same order gives the same shipment.

    ``order`` is {customer_id, lines: [{sku, quantity, ...}], ship_to: {...}, ...}, as the commerce platform returns it. Raises
    ``PermanentFailure`` INVALID_ORDER without customer, lines or address: a complete order never changes on the platform.
    """
    try:
        shipment = Shipment(
            customer_id=order["customer_id"],
            lines=[{"sku": line["sku"], "quantity": line["quantity"]} for line in order["lines"]],
            ship_to=order["ship_to"],
        )
    except (KeyError, TypeError) as error:
        raise PermanentFailure("INVALID_ORDER", f"the platform's order has no valid {error}") from error
    if not shipment["lines"] or not shipment["ship_to"]:
        raise PermanentFailure("INVALID_ORDER", "the platform's order has no lines or no address")
    return shipment


def unknown_order(order_number: str, receive_count: int) -> RetryLater | PermanentFailure:
    """The error for an order that the commerce platform does not know.

    ``RetryLater`` for the first deliveries of its event, then ``PermanentFailure`` UNKNOWN_ORDER.
    """
    if receive_count < MAX_RECEIVES_OF_UNKNOWN_ORDER:
        return RetryLater(backoff_seconds(receive_count), "the commerce platform does not know the order yet")
    return PermanentFailure("UNKNOWN_ORDER", f"the commerce platform does not know order {order_number}")


def describe_response(status: int) -> str:
    """The log message for SAP's response. Raises ``PermanentFailure`` DIFFERENT_SHIPMENT or SHIPMENT_REFUSED."""
    if status not in ACCEPTED:
        raise PermanentFailure(REFUSED.get(status, "SHIPMENT_REFUSED"), f"SAP responded with {status}")
    return ACCEPTED[status]
