"""Whether a session may use a customer's data: the four checks, in order. Pure.

(a) the session is valid, which ``setpieces.authorizers`` checks; (b) it belongs to the requested customer; (c) both platforms
know the customer; (d) both hold the identity that signed in. The response to each verdict: docs/set-pieces/customers.md.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

# An id becomes part of the ARN of a policy, where `*` and `?` are wildcards and `/` separates paths.
CUSTOMER_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class Caller:
    """The person of a valid session. ``customer_id`` is empty for people who are no customers."""

    customer_id: str
    identity_id: str


class Verdict(Enum):
    """The result, by the code that the caller sees."""

    ALLOWED = "ALLOWED"
    SESSION_USER_MISMATCH = "SESSION_USER_MISMATCH"
    PROFILE_NOT_FOUND = "PROFILE_NOT_FOUND"
    IDENTITY_MISMATCH = "IDENTITY_MISMATCH"
    IDENTITY_UNAVAILABLE = "IDENTITY_UNAVAILABLE"


class NoIdentity(Enum):
    """Why there is no identity of a platform: it has no such customer, or gave no usable response in time."""

    NOT_FOUND = "not found"
    UNAVAILABLE = "unavailable"


# The identity that a platform holds for a customer.
PlatformIdentity = str | NoIdentity
LookUp = Callable[[str], tuple[PlatformIdentity, ...]]


def evaluate_access(caller: Caller, customer_id: str, look_up: LookUp, *, cached: bool) -> Verdict:
    """The verdict on a request for ``customer_id``, which is as in the path, still encoded.

    A ``cached`` verdict also applies to the caller's later requests for other paths, so it is the verdict on the caller's own
    customer, whatever this request is for. One that is not cached refuses another customer's path without a look-up.

    ``look_up(customer_id)`` returns the identity of each platform; it is called at most once, and only if the verdict depends
    on it.
    """
    if cached:
        customer_id = caller.customer_id
    if caller.customer_id != customer_id or not CUSTOMER_ID.fullmatch(customer_id):
        return Verdict.SESSION_USER_MISMATCH
    identities = look_up(customer_id)
    # A time-out takes precedence over not-found: one platform's response proves nothing while the other's is missing.
    if NoIdentity.UNAVAILABLE in identities:
        return Verdict.IDENTITY_UNAVAILABLE
    if NoIdentity.NOT_FOUND in identities:
        return Verdict.PROFILE_NOT_FOUND
    if set(identities) != {caller.identity_id}:
        return Verdict.IDENTITY_MISMATCH
    return Verdict.ALLOWED
