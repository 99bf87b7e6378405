"""The two systems that shipping talks to. Both calls and a cold start fit into the function's 5 s.

Each raises ``setpieces.external.ExternalUnavailable`` when its system gave no usable answer in time.
"""

from typing import Any

from setpieces import external
from setpieces.backoff import backoff_seconds
from setpieces.errors import ExternalUnavailable, PermanentFailure, RetryLater

READ_SECONDS = 1.5
SEND_SECONDS = 2.0
# An order can be read from the platform a little later than its event: nobody promises an order between the two.
PATIENT_RECEIVES = 4


def read_order(number: str, receive_count: int) -> dict[str, Any]:
    """The order as the commerce platform has it.

    Raises ``RetryLater`` on the first receives of an order that the platform does not know, then
    ``PermanentFailure`` UNKNOWN_ORDER.
    """
    answer = external.call("commerce", "GET", "orders", number, timeout=READ_SECONDS)
    if answer.status == 200 and isinstance(answer.body, dict):
        return answer.body
    if answer.status != 404:
        raise ExternalUnavailable("commerce", f"answered {answer.status}")
    if receive_count < PATIENT_RECEIVES:
        raise RetryLater(backoff_seconds(receive_count), "the platform does not know the order yet")
    raise PermanentFailure("UNKNOWN_ORDER", f"the commerce platform does not know order {number}")


def send_shipment(number: str, shipment: dict[str, Any]) -> int:
    """The status of SAP's answer to PUT: 201 first, 200 for the same again, 409 for another."""
    return external.call("sap", "PUT", "shipments", number, body=shipment, timeout=SEND_SECONDS).status
