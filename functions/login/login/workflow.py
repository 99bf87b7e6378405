"""Signing in: within the limits of failures, with the right password, into a new session."""

import time
from collections.abc import Callable

from login import clients, events
from login.domain import Identity
from login.repository.sessions import create_session, milliseconds
from login.repository.sign_ins import count_sign_in
from login.requests import CreateSession
from setpieces.errors import Refused, RetryLater
from setpieces.observability import count
from setpieces.sessions import Session


def sign_in(command: CreateSession, remaining_seconds: Callable[[], float]) -> tuple[str, Session]:
    """The token and the new session; ``remaining_seconds`` returns the time that the invocation has left.

    Raises ``Refused``: TOO_MANY_ATTEMPTS, INVALID_CREDENTIALS; ``RetryLater``: IDENTITY_UNAVAILABLE, SESSIONS_ENDED.
    """
    started_at = milliseconds()
    identity = _authenticate(command, remaining_seconds)
    token, session = create_session(identity, int(time.time()), started_at)
    count("SessionStarted")
    events.publish_login(session)
    return token, session


def _authenticate(command: CreateSession, remaining_seconds: Callable[[], float]) -> Identity:
    """The identity of the credentials. Each sign-in counts during the check, and stays counted if they are wrong."""
    try:
        counted = count_sign_in(command.email, command.client, int(time.time()))
    except Refused:
        count("SignInThrottled")
        raise
    try:
        identity = clients.authenticate(command.email, command.password, remaining_seconds())
    except Refused:
        count("SignInRefused")
        raise
    except RetryLater:
        counted.release()
        raise
    counted.release()
    return identity
