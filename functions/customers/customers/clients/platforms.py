"""The external systems that hold a customer's data: identity provider, commerce platform, rewards platform."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from customers.domain.access import NoIdentity, PlatformIdentity
from customers.domain.records import profile_not_found
from setpieces import external
from setpieces.entity_tags import entity_tag
from setpieces.errors import ExternalUnavailable, RetryLater
from setpieces.external import Answer
from setpieces.parameters import read_parameter

# For both look-ups of an authorization together.
LOOK_UP_SECONDS = 2.0
# The longest wait for one call of a ``Platforms``.
CALL_SECONDS = 2.0
# What a call leaves of the invocation's time, for the response to the caller.
RESPONSE_SECONDS = 0.5

RECORDS = (("commerce", "customers"), ("rewards", "members"))

# As many as two authorizations in a row need, so that a platform that hangs does not delay the next one in this process.
_threads = ThreadPoolExecutor(2 * len(RECORDS), thread_name_prefix="platform")


def look_up_identities(customer_id: str) -> tuple[PlatformIdentity, ...]:
    """The identities that the commerce and the rewards platform hold, looked up concurrently under one deadline."""
    # Addresses first: neither boto3's clients nor the cache of parameters may be created by two threads at once.
    urls = {system: read_parameter("partners", f"{system}-url") for system, _ in RECORDS}
    deadline = time.monotonic() + LOOK_UP_SECONDS
    futures = [_threads.submit(_look_up_identity, system, kind, customer_id, urls) for system, kind in RECORDS]
    return tuple(_wait_for_identity(future, deadline) for future in futures)


def _look_up_identity(system: str, kind: str, customer_id: str, urls: dict[str, str]) -> PlatformIdentity:
    answer = external.call(system, "GET", kind, customer_id, timeout=LOOK_UP_SECONDS, base_url=urls.__getitem__)
    if answer.status in (404, 410):
        return NoIdentity.NOT_FOUND
    identity_id = _parse_body(system, answer).get("identity_id")
    return identity_id if isinstance(identity_id, str) else NoIdentity.UNAVAILABLE


def _wait_for_identity(future: "Future[PlatformIdentity]", deadline: float) -> PlatformIdentity:
    """The deadline also covers a look-up that had to wait for a thread."""
    try:
        return future.result(timeout=max(0.0, deadline - time.monotonic()))
    except (TimeoutError, ExternalUnavailable):
        return NoIdentity.UNAVAILABLE


class Platforms:
    """Calls of the three systems for one request, each limited by the seconds that the request's invocation has left.

    Each call raises ``ExternalUnavailable``, also for a response that cannot be used.
    """

    def __init__(self, remaining_seconds: Callable[[], float]) -> None:
        self._remaining_seconds = remaining_seconds

    def timeout(self) -> float:
        """Seconds that one call may take now, also one of another system, such as sequences."""
        return min(CALL_SECONDS, self._remaining_seconds() - RESPONSE_SECONDS)

    def find_customer(self, customer_id: str) -> dict[str, Any] | None:
        """The commerce platform's record; None if there is none or it was deleted."""
        return self._find_record("commerce", "customers", customer_id)

    def find_member(self, customer_id: str) -> dict[str, Any] | None:
        """The rewards platform's record; None if there is none or it was deleted."""
        return self._find_record("rewards", "members", customer_id)

    def replace_customer(self, customer: dict[str, Any], version: int) -> dict[str, Any] | None:
        """Replace version ``version`` of the record; returns it as stored, None if its version is another one by now.

        Raises ``Refused`` PROFILE_NOT_FOUND if the customer was deleted.
        """
        answer = self._put("commerce", "customers", customer, {"If-Match": entity_tag(version)})
        if answer.status == 412:
            return None
        if answer.status == 410:
            raise profile_not_found()
        return _parse_body("commerce", answer)

    def add_customer(self, customer: dict[str, Any]) -> bool:
        """Store a new customer. False if the customer exists or was deleted."""
        answer = self._put("commerce", "customers", customer, {"If-None-Match": "*"})
        if answer.status in (410, 412):
            return False
        _parse_body("commerce", answer)
        return True

    def add_member(self, member: dict[str, Any]) -> None:
        """Store a new member; an existing one is left unchanged, with its points."""
        answer = self._put("rewards", "members", member, {"If-None-Match": "*"})
        if answer.status != 412:
            _parse_body("rewards", answer)

    def create_identity(self, email: str, password: str, customer_id: str) -> dict[str, Any] | None:
        """A new identity {identity_id, customer_id}; None if the e-mail address has one."""
        body = {"email": email, "password": password, "customer_id": customer_id}
        answer = self._call("identity", "POST", "identities", body=body)
        return None if answer.status == 409 else _parse_body("identity", answer)

    def authenticate(self, email: str, password: str) -> dict[str, Any] | None:
        """The identity {identity_id, customer_id?} of these credentials; None if they are wrong."""
        credentials = {"email": email, "password": password}
        answer = self._call("identity", "POST", "authentications", body=credentials, repeatable=True)
        return None if answer.status == 401 else _parse_body("identity", answer)

    def _find_record(self, system: str, kind: str, customer_id: str) -> dict[str, Any] | None:
        answer = self._call(system, "GET", kind, customer_id)
        return None if answer.status in (404, 410) else _parse_body(system, answer)

    def _put(self, system: str, kind: str, record: dict[str, Any], headers: dict[str, str]) -> Answer:
        return self._call(system, "PUT", kind, record["customer_id"], body=record, headers=headers)

    def _call(self, system: str, method: str, *path: str, **options: Any) -> Answer:
        return external.call(system, method, *path, timeout=self.timeout(), **options)


def _parse_body(system: str, answer: Answer) -> dict[str, Any]:
    """The JSON object of a 200 or 201. Raises ``ExternalUnavailable`` for any other answer."""
    if answer.status not in (200, 201) or not isinstance(answer.body, dict):
        raise ExternalUnavailable(system, f"gave an unusable response ({answer.status})")
    return answer.body


@contextmanager
def unavailable_as_503() -> Iterator[None]:
    """Raise ``RetryLater`` CUSTOMERS_UNAVAILABLE for ``ExternalUnavailable``: a repeat of the same request is safe."""
    try:
        yield
    except ExternalUnavailable as error:
        detail = "A system that this request needs is slow or down; try again"
        raise RetryLater(error.retry_seconds, detail, "CUSTOMERS_UNAVAILABLE") from error
