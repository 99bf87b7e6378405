"""The commerce platform: reads legacy and new customers, writes new ones.

Each function raises ``ExternalUnavailable``, ``CustomerDeleted``, and ``PermanentFailure`` REFUSED for any other status.
"""

from typing import Any

from setpieces import external
from setpieces.entity_tags import entity_tag
from setpieces.errors import ExternalUnavailable, PermanentFailure
from setpieces.external import Answer

# Two records of a batch, each with a slow last call, fit into the function's 10 s.
CALL_SECONDS = 1.5
ATTEMPTS = 3


class CustomerDeleted(Exception):
    """The customer was deleted, and must not be created again."""


def get_legacy_customer(customer_id: str) -> Any | None:
    """The customer of the legacy platform, None if there is none."""
    return _customer(_call("GET", "legacy", "customers", customer_id))


def get_customer(customer_id: str) -> dict[str, Any] | None:
    """The customer of the new platform, None if there is none."""
    return _customer(_call("GET", "customers", customer_id))


def put_customer(customer_id: str, customer: dict[str, Any], version: int) -> bool:
    """Replace the customer of the new platform; False, and no change, if it is no longer at ``version``.

    The customer may have been written if ``ExternalUnavailable`` has ``timed_out``.
    """
    headers = {"If-Match": entity_tag(version)}
    answer = _call("PUT", "customers", customer_id, body=customer, headers=headers)
    if answer.status in (409, 412):
        return False
    if _customer(answer) is None:
        raise CustomerDeleted
    return True


def _customer(answer: Answer) -> Any | None:
    """The customer in an answer, None for a 404."""
    if answer.status == 410:
        raise CustomerDeleted
    if answer.status == 404:
        return None
    if answer.status not in (200, 201):
        raise PermanentFailure("REFUSED", f"the commerce platform returned {answer.status}")
    return answer.body


def _call(method: str, *path: str, **options: Any) -> Answer:
    """Call the commerce platform, up to ``ATTEMPTS`` times.

    It is not called again after a time-out, which would cost as much time again, nor if the platform sends Retry-After: then
    the message is delivered again later.
    """
    attempt = 1
    while True:
        try:
            return external.call("commerce", method, *path, timeout=CALL_SECONDS, **options)
        except ExternalUnavailable as error:
            if attempt == ATTEMPTS or error.timed_out or error.retry_after is not None:
                raise
            attempt += 1
