"""The identity provider, which checks passwords."""

import time
from collections.abc import Iterator

from login.domain import Identity
from setpieces import external
from setpieces.errors import ExternalUnavailable, Refused, RetryLater
from setpieces.passwords import normalize_password

# Checking a password is slow by design. The rest of the invocation is for storing the session and publishing the event.
CALL_SECONDS = 2.5
STORE_SECONDS = 1.0


def authenticate(email: str, password: str, remaining_seconds: float) -> Identity:
    """The identity of these credentials; ``remaining_seconds`` is the time that the invocation has left.

    Raises ``Refused`` INVALID_CREDENTIALS, and ``RetryLater`` IDENTITY_UNAVAILABLE if the provider is slow, down or responds
    with something that is not an identity.
    """
    deadline = time.monotonic() + min(CALL_SECONDS, remaining_seconds - STORE_SECONDS)
    try:
        for spelling in _spellings(password):
            answer = external.call(
                "identity",
                "POST",
                "authentications",
                body={"email": email, "password": spelling},
                timeout=deadline - time.monotonic(),
                repeatable=True,
            )
            if answer.status not in (400, 401, 404):
                return _parse_identity(answer)
        raise Refused("INVALID_CREDENTIALS", "The e-mail address or the password is wrong")
    except ExternalUnavailable as error:
        detail = "Signing in is not possible at the moment"
        raise RetryLater(error.retry_seconds, detail, "IDENTITY_UNAVAILABLE") from error


def _spellings(password: str) -> Iterator[str]:
    """The password as accounts have it, then as it was typed, if that differs: older accounts have what was typed."""
    try:
        normalized = normalize_password(password)
    except ValueError:
        normalized = password
    yield normalized
    if normalized != password:
        yield password


def _parse_identity(answer: external.Answer) -> Identity:
    """Raises ``ExternalUnavailable`` if the response has no identity."""
    try:
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        body = answer.body
        return Identity(str(body["identity_id"]), str(body["customer_id"] or ""), [str(role) for role in body["roles"]])
    except (ValueError, KeyError, TypeError) as error:
        raise ExternalUnavailable("identity", "gave a response that is not an identity") from error
