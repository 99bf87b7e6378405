"""The outside systems that know a customer: identity provider, commerce platform, rewards platform. Calls have deadlines."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from customers.domain.identities import Gap, Held
from setpieces import external
from setpieces.entity_tags import entity_tag
from setpieces.errors import ExternalUnavailable, Refused, RetryLater
from setpieces.external import Answer
from setpieces.parameters import address
from setpieces.rest_api import Request

# Both look-ups of an authorisation share this.
LOOK_UP_SECONDS = 2.0
# The longest that one call is waited for, and what has to be left for what follows.
CALL_SECONDS = 2.0
ANSWER_SECONDS = 0.5

RECORDS = (("commerce", "customers"), ("rewards", "members"))

# As many as two authorisations in a row need, so that a platform that hangs does not hold up the next one in this process.
_threads = ThreadPoolExecutor(2 * len(RECORDS), thread_name_prefix="platform")


def held_identities(customer_id: str) -> tuple[Held, ...]:
    """The identity that the commerce and the rewards platform hold, asked at the same time under one deadline."""
    # Addresses first: neither boto3's clients nor the cache of parameters are made for being created by two threads at once.
    urls = {system: address("partners", f"{system}-url") for system, _ in RECORDS}
    deadline = time.monotonic() + LOOK_UP_SECONDS
    asked = [_threads.submit(_held, system, kind, customer_id, urls) for system, kind in RECORDS]
    return tuple(_in_time(future, deadline) for future in asked)


def _held(system: str, kind: str, customer_id: str, urls: dict[str, str]) -> Held:
    answer = external.call(system, "GET", kind, customer_id, timeout=LOOK_UP_SECONDS, base_url=urls.__getitem__)
    if answer.status in (404, 410):
        return Gap.ABSENT
    body = _document(system, answer)
    return body["identity_id"] if isinstance(body.get("identity_id"), str) else Gap.SILENT


def _in_time(future: "Future[Held]", deadline: float) -> Held:
    """The deadline is for both look-ups, also for one that had to wait for a thread."""
    try:
        return future.result(timeout=max(0.0, deadline - time.monotonic()))
    except (TimeoutError, ExternalUnavailable):
        return Gap.SILENT


class Platforms:
    """The calls of one request, each of which may take what ``remaining_seconds`` leaves."""

    def __init__(self, remaining_seconds: Callable[[], float]) -> None:
        self._remaining_seconds = remaining_seconds

    @classmethod
    def of(cls, request: Request) -> "Platforms":
        return cls(request.remaining_seconds)

    def seconds(self) -> float:
        """How long one call may take now."""
        return min(CALL_SECONDS, self._remaining_seconds() - ANSWER_SECONDS)

    def customer(self, customer_id: str) -> dict[str, Any] | None:
        """The commerce platform's record; None if there is none, or none any more. Raises ``ExternalUnavailable``."""
        return self._record("commerce", "customers", customer_id)

    def member(self, customer_id: str) -> dict[str, Any] | None:
        """The rewards platform's record. Raises ``ExternalUnavailable``."""
        return self._record("rewards", "members", customer_id)

    def replace_customer(self, customer: dict[str, Any], version: int) -> dict[str, Any] | None:
        """Write ``customer`` over its version ``version``; returns it as stored, None if it has another version by now.

        Raises ``ExternalUnavailable``; ``Refused`` 403 if it was deleted.
        """
        answer = self._call(
            "commerce",
            "PUT",
            "customers",
            customer["customer_id"],
            body=customer,
            headers={"If-Match": entity_tag(version)},
        )
        if answer.status == 412:
            return None
        if answer.status == 410:
            raise no_profile()
        return _document("commerce", answer)

    def add_customer(self, customer: dict[str, Any]) -> bool:
        """Store a new customer. False if there is one already, or a deleted one. Raises ``ExternalUnavailable``."""
        answer = self._call(
            "commerce", "PUT", "customers", customer["customer_id"], body=customer, headers={"If-None-Match": "*"}
        )
        if answer.status in (410, 412):
            return False
        _document("commerce", answer)
        return True

    def add_member(self, member: dict[str, Any]) -> None:
        """Store a new member; one that is there already stays as it is, with its points. Raises ``ExternalUnavailable``."""
        answer = self._call(
            "rewards", "PUT", "members", member["customer_id"], body=member, headers={"If-None-Match": "*"}
        )
        if answer.status != 412:
            _document("rewards", answer)

    def register(self, email: str, password: str, customer_id: str) -> dict[str, Any] | None:
        """A new identity {identity_id, customer_id}; None if the address is taken. Raises ``ExternalUnavailable``."""
        body = {"email": email, "password": password, "customer_id": customer_id}
        answer = self._call("identity", "POST", "identities", body=body)
        return None if answer.status == 409 else _document("identity", answer)

    def authenticate(self, email: str, password: str) -> dict[str, Any] | None:
        """The identity of these credentials; None if there is no such. Raises ``ExternalUnavailable``."""
        credentials = {"email": email, "password": password}
        answer = self._call("identity", "POST", "authentications", body=credentials, repeatable=True)
        return None if answer.status == 401 else _document("identity", answer)

    def _record(self, system: str, kind: str, customer_id: str) -> dict[str, Any] | None:
        answer = self._call(system, "GET", kind, customer_id)
        return None if answer.status in (404, 410) else _document(system, answer)

    def _call(self, system: str, method: str, *path: str, **options: Any) -> Answer:
        return external.call(system, method, *path, timeout=self.seconds(), **options)


def _document(system: str, answer: Answer) -> dict[str, Any]:
    if answer.status not in (200, 201) or not isinstance(answer.body, dict):
        raise ExternalUnavailable(system, f"gave an answer of no use ({answer.status})")
    return answer.body


def no_profile() -> Refused:
    """403, as the authorizer answers: the profile was there when the session was let in, and is gone now."""
    return Refused("PROFILE_NOT_FOUND", "There is no such profile")


@contextmanager
def within_reach() -> Iterator[None]:
    """Turns ``ExternalUnavailable`` into a ``Refused`` 503: a repeat of the same request is safe."""
    try:
        yield
    except ExternalUnavailable as error:
        detail = "A system that this needs is slow or down; try again"
        raise RetryLater(error.retry_seconds, detail, "CUSTOMERS_UNAVAILABLE") from error
