"""Who somebody is, as the identity provider says."""

from dataclasses import dataclass

from setpieces import external
from setpieces.errors import ExternalUnavailable, Refused, RetryLater
from setpieces.rest_api import Request

# A password is made slow to check on purpose. The rest is for storing the session and announcing it.
CALL_SECONDS = 2.5
STORE_SECONDS = 1.0


@dataclass(frozen=True)
class Identity:
    """``customer_id`` is empty for people who are no customers."""

    identity_id: str
    customer_id: str
    roles: list[str]


def authenticate(email: str, password: str, request: Request) -> Identity:
    """Raises ``Refused``: 401 if address or password is wrong, 503 if the provider is slow, down or talks nonsense."""
    try:
        answer = external.call(
            "identity",
            "POST",
            "authentications",
            body={"email": email, "password": password},
            timeout=min(CALL_SECONDS, request.remaining_seconds() - STORE_SECONDS),
            repeatable=True,
        )
        if answer.status in (400, 401, 404):
            raise Refused("INVALID_CREDENTIALS", "The e-mail address or the password is wrong")
        return _identity(answer)
    except ExternalUnavailable as error:
        detail = "Nobody can sign in at the moment"
        raise RetryLater(error.retry_seconds, detail, "IDENTITY_UNAVAILABLE") from error


def _identity(answer: external.Answer) -> Identity:
    try:
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        body = answer.body
        return Identity(str(body["identity_id"]), str(body["customer_id"] or ""), [str(role) for role in body["roles"]])
    except (ValueError, KeyError, TypeError) as error:
        raise ExternalUnavailable("identity", "answered something else than an identity") from error
