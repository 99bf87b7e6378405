"""The sequences service, which numbers customers."""

from setpieces import signed_client
from setpieces.errors import ExternalUnavailable


def next_customer_id(timeout: float) -> str:
    """An id that no other customer has. ``timeout`` is in seconds. Raises ``ExternalUnavailable``."""
    response = signed_client.call("sequences", "POST", "/v1/sequences/customer/next", timeout=timeout)
    if response.status != 200:
        raise ExternalUnavailable("sequences", f"gave no number ({response.status})")
    return str(response.body["formatted"])
