"""The two systems that shipping talks to. Both calls and a cold start fit into the function's 5 s."""

from typing import Any

from setpieces import outside
from setpieces.outside import OutsideUnavailable
from setpieces.queues import Reject

READ_SECONDS = 1.5
SEND_SECONDS = 2.0
# The platform's order can come after the event: the relay and a replay make no promise about order.
PATIENT_RECEIVES = 3


class OrderNotThere(Exception):
    """The platform does not know the order (yet)."""


def read_order(number: str, receive_count: int) -> dict[str, Any]:
    """The order as the commerce platform has it.

    Raises ``OrderNotThere`` on the first receives, then ``Reject`` UNKNOWN_ORDER; ``OutsideUnavailable``.
    """
    answer = outside.call("commerce", "GET", "orders", number, timeout=READ_SECONDS)
    if answer.status == 200 and isinstance(answer.body, dict):
        return answer.body
    if answer.status != 404:
        raise OutsideUnavailable("commerce", f"answered {answer.status}")
    if receive_count < PATIENT_RECEIVES:
        raise OrderNotThere(number)
    raise Reject("UNKNOWN_ORDER", f"the commerce platform does not know order {number}")


def send_shipment(number: str, shipment: dict[str, Any]) -> int:
    """SAP's answer to PUT: 201 first, 200 for the same again. Raises ``OutsideUnavailable``."""
    return outside.call("sap", "PUT", "shipments", number, body=shipment, timeout=SEND_SECONDS).status
