"""The identity provider, which checks passwords."""

from login.domain import Identity
from setpieces import external
from setpieces.errors import ExternalUnavailable, Refused, RetryLater

# Checking a password is slow by design. The rest of the invocation is for storing the session and publishing the event.
CALL_SECONDS = 2.5
STORE_SECONDS = 1.0


def authenticate(email: str, password: str, remaining_seconds: float) -> Identity:
    """The identity of these credentials; ``remaining_seconds`` is the time that the invocation has left.

    Raises ``Refused`` INVALID_CREDENTIALS, and ``RetryLater`` IDENTITY_UNAVAILABLE if the provider is slow, down or responds
    with something that is not an identity.
    """
    try:
        answer = external.call(
            "identity",
            "POST",
            "authentications",
            body={"email": email, "password": password},
            timeout=min(CALL_SECONDS, remaining_seconds - STORE_SECONDS),
            repeatable=True,
        )
        if answer.status in (400, 401, 404):
            raise Refused("INVALID_CREDENTIALS", "The e-mail address or the password is wrong")
        return _parse_identity(answer)
    except ExternalUnavailable as error:
        detail = "Signing in is not possible at the moment"
        raise RetryLater(error.retry_seconds, detail, "IDENTITY_UNAVAILABLE") from error


def _parse_identity(answer: external.Answer) -> Identity:
    """Raises ``ExternalUnavailable`` if the response has no identity."""
    try:
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        body = answer.body
        return Identity(str(body["identity_id"]), str(body["customer_id"] or ""), [str(role) for role in body["roles"]])
    except (ValueError, KeyError, TypeError) as error:
        raise ExternalUnavailable("identity", "gave a response that is not an identity") from error
