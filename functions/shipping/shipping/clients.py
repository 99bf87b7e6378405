"""The commerce platform and SAP. Both calls and a cold start fit into the 5 s of ``ship_order``.

Both functions raise ``ExternalUnavailable`` if the external system gives no usable response in time.
"""

from typing import Any

from setpieces import external
from setpieces.errors import ExternalUnavailable
from shipping.domain import Shipment

GET_SECONDS = 1.5
PUT_SECONDS = 2.0


def get_order(order_number: str) -> dict[str, Any] | None:
    """The commerce platform's order, None if the platform does not know it."""
    response = external.call("commerce", "GET", "orders", order_number, timeout=GET_SECONDS)
    if response.status == 404:
        return None
    if response.status != 200 or not isinstance(response.body, dict):
        raise ExternalUnavailable("commerce", f"responded with {response.status}")
    return response.body


def put_shipment(order_number: str, shipment: Shipment) -> int:
    """Send a shipment to SAP and return the HTTP status: 201, 200 for a repeat, 409 if its content differs from the first."""
    return external.call("sap", "PUT", "shipments", order_number, body=shipment, timeout=PUT_SECONDS).status
