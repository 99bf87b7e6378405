"""Limits on failed sign-ins: for one e-mail address by one client, and by all clients together.

The sessions table counts them in items "attempts#<digest of the address>#<number of the window>", whether or not the address
has an account. The second limit also applies to many clients, or one with forged network addresses; its default, 100 an hour,
is the most that OWASP ASVS 4.0 (2.2.1) allows for an account.
"""

import secrets
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from setpieces import attempts
from setpieces.errors import Refused
from setpieces.observability import logger
from setpieces.settings import setting

WINDOW_SECONDS = 15 * 60


@dataclass(frozen=True)
class CountedSignIn:
    """A sign-in that is within its limits and counts towards them."""

    key: dict[str, str]
    attempt: str
    limits: dict[str, int]

    def release(self) -> None:
        """Count the sign-in no longer, because its password was not wrong.

        An error is only logged: the sign-in then counts until its window ends.
        """
        try:
            attempts.remove_attempt(setting("SESSIONS_TABLE_NAME"), self.key, self.attempt, self.limits)
        except (BotoCoreError, ClientError):
            logger.exception("sign-in not released")


def count_sign_in(email: str, client: str, now: int) -> CountedSignIn:
    """Count a sign-in by ``client``, a network address. Raises ``Refused`` TOO_MANY_ATTEMPTS if a limit is reached."""
    window = now // WINDOW_SECONDS
    ends_at = (window + 1) * WINDOW_SECONDS
    sign_in = CountedSignIn(
        {"session_hash": f"attempts#{attempts.subject_digest(email)}#{window}"},
        secrets.token_hex(8),
        {
            "all": int(setting("FAILURES_PER_ADDRESS")),
            f"client_{attempts.subject_digest(client)[:32]}": int(setting("FAILURES_PER_CLIENT")),
        },
    )
    table = setting("SESSIONS_TABLE_NAME")
    if not attempts.add_attempt(table, sign_in.key, sign_in.attempt, sign_in.limits, ends_at):
        raise Refused("TOO_MANY_ATTEMPTS", "Too many attempts to sign in with this address", retry_after=ends_at - now)
    return sign_in
