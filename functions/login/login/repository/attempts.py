"""How often a password may be guessed: for one e-mail address by one client, and by all clients together.

The sessions table counts failures under "attempts#<digest of the address>#<number of the window>", whether or not the address
belongs to an account. The second limit holds against many clients, and against one that makes up its address; its default, 100
an hour, is the most that OWASP ASVS 4.0 (2.2.1) allows for an account.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from setpieces import attempts
from setpieces.errors import Refused, RetryLater
from setpieces.observability import count, logger
from setpieces.rest_api import Request
from setpieces.settings import setting

WINDOW_SECONDS = 15 * 60


@contextmanager
def counted_attempt(email: str, request: Request) -> Iterator[None]:
    """One attempt to sign in, which stays counted if the block raises ``Refused`` 401.

    Raises ``Refused`` 429 TOO_MANY_ATTEMPTS.
    """
    now = int(time.time())
    window, ends_at = now // WINDOW_SECONDS, (now // WINDOW_SECONDS + 1) * WINDOW_SECONDS
    table, attempt = setting("SESSIONS_TABLE_NAME"), secrets.token_hex(8)
    key = {"session_hash": f"attempts#{attempts.digest(email)}#{window}"}
    limits = {
        "all": int(setting("FAILURES_PER_ADDRESS")),
        f"client_{attempts.digest(request.client)[:32]}": int(setting("FAILURES_PER_CLIENT")),
    }
    if not attempts.admit(table, key, attempt, limits, ends_at):
        count("SignInThrottled")
        raise Refused("TOO_MANY_ATTEMPTS", "Too many attempts to sign in with this address", retry_after=ends_at - now)
    try:
        yield
    except Refused as refusal:
        if refusal.code == "INVALID_CREDENTIALS":
            count("SignInRefused")
        else:
            _release(table, key, attempt, limits)
        raise
    except RetryLater:
        _release(table, key, attempt, limits)
        raise
    else:
        _release(table, key, attempt, limits)


def _release(table: str, key: dict[str, str], attempt: str, limits: dict[str, int]) -> None:
    """An attempt that cannot be released counts until its window ends; that does not fail this sign-in."""
    try:
        attempts.release(table, key, attempt, limits)
    except (BotoCoreError, ClientError):
        logger.exception("an attempt was not released")
