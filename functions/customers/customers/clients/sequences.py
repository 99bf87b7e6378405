"""The sequences service, which issues customer ids."""

from setpieces import signed_client
from setpieces.errors import ExternalUnavailable


def next_customer_id(timeout: float) -> str:
    """A new customer id, such as "C100000001", that no other customer has; each call takes another one.

    ``timeout`` is in seconds. Raises ``ExternalUnavailable``.
    """
    response = signed_client.call("sequences", "POST", "/v1/sequences/customer/next", timeout=timeout)
    if response.status != 200:
        raise ExternalUnavailable("sequences", f"gave no number ({response.status})")
    return str(response.body["formatted"])
