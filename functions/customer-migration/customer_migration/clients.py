"""The legacy platform, read; the new platform, read and written once."""

from typing import Any

from setpieces import external
from setpieces.entity_tags import entity_tag
from setpieces.errors import ExternalUnavailable
from setpieces.external import Answer

# Two records of a batch, each with a slow last call, fit into the function's 10 s.
CALL_SECONDS = 1.5
TRIES = 3


class Deleted(Exception):
    """The customer was deleted: they are not to come back."""


class Refused(Exception):
    """The platform will not take what it is given, however often."""


def legacy_customer(customer_id: str) -> Any | None:
    """The customer of the legacy platform, None if it has none. Raises ``Deleted``, ``Refused``, ``ExternalUnavailable``."""
    return _document(_call("GET", "legacy", "customers", customer_id))


def new_customer(customer_id: str) -> dict[str, Any] | None:
    """The customer of the new platform, None if it has none. Raises ``Deleted``, ``Refused``, ``ExternalUnavailable``."""
    return _document(_call("GET", "customers", customer_id))


def update(customer_id: str, customer: dict[str, Any], version: int) -> bool:
    """Write the whole customer if it still is at ``version``; whether it was.

    Raises ``Deleted``, ``Refused``, ``ExternalUnavailable`` (with ``timed_out`` it may have been written).
    """
    headers = {"If-Match": entity_tag(version)}
    answer = _call("PUT", "customers", customer_id, body=customer, headers=headers)
    if answer.status in (409, 412):
        return False
    if _document(answer) is None:
        raise Deleted
    return True


def _document(answer: Answer) -> Any | None:
    if answer.status == 410:
        raise Deleted
    if answer.status == 404:
        return None
    if answer.status not in (200, 201):
        raise Refused(f"the platform answered {answer.status}")
    return answer.body


def _call(method: str, *path: str, **options: Any) -> Answer:
    """Call the commerce platform; a failure that it reports at once is tried again at once.

    Not after a time-out, which would cost as much again, and not if the platform asks for patience: then the message waits.
    """
    tries = 1
    while True:
        try:
            return external.call("commerce", method, *path, timeout=CALL_SECONDS, **options)
        except ExternalUnavailable as error:
            if tries == TRIES or error.timed_out or error.retry_after is not None:
                raise
            tries += 1
