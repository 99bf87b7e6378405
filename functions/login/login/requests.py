"""Requests to login, parsed into commands."""

import re
from dataclasses import dataclass, field

from login.domain import session_invalid
from setpieces.email_addresses import comparable_email
from setpieces.errors import Refused
from setpieces.fields import text
from setpieces.json_body import JsonBody
from setpieces.rest_api import Request
from setpieces.sessions import bearer_token

MAX_EMAIL_LENGTH = 254  # RFC 5321 with RFC 3696, erratum 1690
MAX_PASSWORD_LENGTH = 256
_IDENTITY_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

# Any text: an address or a password that no account can have gets the same response as a wrong one.
CREDENTIALS = JsonBody(
    {
        "type": "object",
        "required": ["email", "password"],
        "properties": {"email": text(1, MAX_EMAIL_LENGTH), "password": text(1, MAX_PASSWORD_LENGTH)},
        "additionalProperties": False,
    }
)


@dataclass(frozen=True)
class CreateSession:
    """A sign-in from the network address ``client``; ``email`` is in the form in which addresses are compared."""

    email: str = field(repr=False)
    password: str = field(repr=False)
    client: str


def parse_create_session(request: Request) -> CreateSession:
    """Raises ``Refused`` INVALID_REQUEST."""
    body = CREDENTIALS.parse(request)
    return CreateSession(comparable_email(body["email"]), body["password"], request.client)


def parse_session_token(request: Request) -> str:
    """The token in the ``Authorization`` header. Raises ``Refused`` SESSION_INVALID."""
    token = bearer_token(request.headers.get("authorization", ""))
    if token is None:
        raise session_invalid()
    return token


def parse_identity_id(request: Request) -> str:
    """The identity in the path. Raises ``Refused`` INVALID_REQUEST if it is not a valid id."""
    identity_id = request.path_parameters["identity_id"]
    if not _IDENTITY_ID.fullmatch(identity_id):
        raise Refused("INVALID_REQUEST", "must be 1 to 128 of A-Z a-z 0-9 . _ : -", "/identity_id")
    return identity_id
