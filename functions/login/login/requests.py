"""What callers may send to sign in. Pure."""

import re
from typing import Any

from setpieces.problems import Problem, invalid
from setpieces.rest_api import Request
from setpieces.sessions import bearer_token

MAX_EMAIL_LENGTH = 254  # RFC 5321 with RFC 3696, erratum 1690
MAX_PASSWORD_LENGTH = 256
_IDENTITY_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def credentials(request: Request) -> dict[str, Any]:
    """{email, password}. Raises ``Problem`` 400."""
    sent = request.json()
    for name, longest in (("email", MAX_EMAIL_LENGTH), ("password", MAX_PASSWORD_LENGTH)):
        value = sent.get(name)
        if not isinstance(value, str) or not 1 <= len(value) <= longest:
            raise invalid(f"/{name}", f"must be a text of 1 to {longest} characters")
    for name in sent:
        if name not in ("email", "password"):
            raise invalid(f"/{name}", "is not a member of this request")
    return sent


def token(request: Request) -> str:
    """The token of the session that calls. Raises ``Problem`` 401."""
    sent = bearer_token(request.headers.get("authorization", ""))
    if sent is None:
        raise no_session()
    return sent


def identity_id(request: Request) -> str:
    """The identity that the path names. Raises ``Problem`` 400 for what no identity can have as id."""
    sent = request.path_parameters["identity_id"]
    if not _IDENTITY_ID.fullmatch(sent):
        raise invalid("/identity_id", "must be 1 to 128 of A-Z a-z 0-9 . _ : -")
    return sent


def no_session() -> Problem:
    """401, without WWW-Authenticate: API Gateway would rename it in a function's response."""
    return Problem(401, "SESSION_INVALID", "There is no such session, or it has ended")
