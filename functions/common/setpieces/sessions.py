"""Sessions: who calls. A session is an opaque token that only its holder knows; the table holds its digest.

Table ``SESSIONS_TABLE_NAME``: {session_hash, customer_id, identity_id, roles, issued_at, expires_at (TTL)}; times in epoch
seconds.
"""

import hashlib
import re
import time
from dataclasses import dataclass, field
from typing import Any

from setpieces.aws import client
from setpieces.items import from_item
from setpieces.settings import setting

# RFC 6750, 2.1; tokens are those of ``secrets.token_urlsafe(32)``.
_BEARER = re.compile(r"Bearer +([A-Za-z0-9_-]{43})", re.IGNORECASE)


@dataclass(frozen=True)
class Session:
    """``customer_id`` and ``identity_id`` are ids of the shop and of the identity provider; ``roles`` may hold "admin"."""

    session_hash: str
    customer_id: str
    identity_id: str
    roles: list[str] = field(default_factory=list)
    issued_at: int = 0
    expires_at: int = 0


def bearer_token(authorization: str) -> str | None:
    """The token in an ``Authorization`` header; None if it holds none of ours."""
    match = _BEARER.fullmatch(authorization)
    return match[1] if match else None


def session_hash(token: str) -> str:
    """The key under which a token's session is stored: a table that leaks opens no session."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_session(token: str) -> Session | None:
    """The session of a token; None if there is none, or if it has ended or expired. One consistent read."""
    key = {"session_hash": {"S": session_hash(token)}}
    answer = client("dynamodb").get_item(TableName=setting("SESSIONS_TABLE_NAME"), Key=key, ConsistentRead=True)
    stored: dict[str, Any] = from_item(answer.get("Item", {}))
    # DynamoDB removes expired items days late.
    return Session(**stored) if stored and stored["expires_at"] > time.time() else None
