"""May this session have to do with that customer? The four checks, in order. Pure.

(a) the session is valid; (b) it belongs to the customer asked for; (c) both platforms know the customer; (d) both hold the
identity that signed in. What each outcome becomes at the gateway: docs/set-pieces/customers.md.
"""

import re
from collections.abc import Callable
from enum import Enum

from setpieces.sessions import Session

# An id goes into the ARN of a policy, where `*` and `?` would be wildcards and `/` another path.
CUSTOMER_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


class Verdict(Enum):
    """The outcome, by the code that a caller sees."""

    ALLOWED = "ALLOWED"
    SESSION_INVALID = "SESSION_INVALID"
    SESSION_USER_MISMATCH = "SESSION_USER_MISMATCH"
    PROFILE_NOT_FOUND = "PROFILE_NOT_FOUND"
    IDENTITY_MISMATCH = "IDENTITY_MISMATCH"
    IDENTITY_UNAVAILABLE = "IDENTITY_UNAVAILABLE"


class Gap(Enum):
    """Why a platform told no identity: it knows no such customer, or it gave no usable answer in time."""

    ABSENT = "absent"
    SILENT = "silent"


# The identity that a platform holds for a customer.
Held = str | Gap


def decide(session: Session | None, asked: str, look_up: Callable[[str], tuple[Held, ...]]) -> Verdict:
    """The verdict on a session that asks for customer ``asked`` (as in the path, still encoded).

    ``look_up(customer_id)`` tells what each platform holds; it is called at most once, and only if its answer matters.
    """
    if session is None:
        return Verdict.SESSION_INVALID
    if session.customer_id != asked or not CUSTOMER_ID.fullmatch(asked):
        return Verdict.SESSION_USER_MISMATCH
    held = look_up(asked)
    # Silence first: what one platform says of a customer proves nothing as long as the other one's word is missing.
    if Gap.SILENT in held:
        return Verdict.IDENTITY_UNAVAILABLE
    if Gap.ABSENT in held:
        return Verdict.PROFILE_NOT_FOUND
    if set(held) != {session.identity_id}:
        return Verdict.IDENTITY_MISMATCH
    return Verdict.ALLOWED
