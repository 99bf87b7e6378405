"""What is sent to SAP, and what its answers mean: pure rules.

order     as the commerce platform has it: {customer_id, lines: [{sku, quantity, ...}], ship_to: {...}, ...}
shipment  {customer_id, lines: [{sku, quantity}], ship_to: {...}}
"""

from typing import Any

from setpieces.errors import PermanentFailure

# HTTP status of PUT /shipments/{order_number} -> what it tells. A repeat that was answered 200 had its effect before.
SHIPPED = {201: "shipped", 200: "was shipped before"}
REFUSED = {409: "DIFFERENT_SHIPMENT"}


def shipment(order: dict[str, Any]) -> dict[str, Any]:
    """What has to be sent where; prices and status stay with the commerce platform.

    The same order gives the same shipment, so that SAP can recognise a repeat. Raises ``PermanentFailure`` INVALID_ORDER for an
    order without customer, lines or address; an order on the platform does not change, so waiting would not help.
    """
    try:
        sent = {
            "customer_id": order["customer_id"],
            "lines": [{"sku": line["sku"], "quantity": line["quantity"]} for line in order["lines"]],
            "ship_to": order["ship_to"],
        }
    except (KeyError, TypeError) as error:
        raise PermanentFailure("INVALID_ORDER", f"the order on the platform has no usable {error}") from error
    if not sent["lines"] or not sent["ship_to"]:
        raise PermanentFailure("INVALID_ORDER", "nothing to send, or nowhere to send it")
    return sent


def outcome(status: int) -> str:
    """What SAP's answer means for the log. Raises ``PermanentFailure`` when sending again would be answered the same."""
    if status not in SHIPPED:
        raise PermanentFailure(REFUSED.get(status, "SHIPMENT_REFUSED"), f"SAP answered {status}")
    return SHIPPED[status]
