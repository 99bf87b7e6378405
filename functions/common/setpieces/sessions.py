"""Sessions. A session is an opaque token that only its holder knows; the table holds its digest.

Table ``SESSIONS_TABLE_NAME``: {session_hash, customer_id, identity_id, roles, issued_at, expires_at (TTL), ends_at,
idle_seconds, generation}; times in epoch seconds. A person whose sessions were all ended has an item of their own
(``person_key``).
"""

import hashlib
import re
import time
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from setpieces import dynamodb
from setpieces.dynamodb import ConditionFailed
from setpieces.settings import setting
from setpieces.stored import from_stored

# RFC 6750, 2.1; tokens are those of ``secrets.token_urlsafe(32)``.
_BEARER = re.compile(r"Bearer +([A-Za-z0-9_-]{43})", re.IGNORECASE)


@dataclass(frozen=True)
class Session:
    """``customer_id`` and ``identity_id`` are ids of the shop and of the identity provider; ``roles`` may hold "admin".

    ``expires_at`` is extended while the session is used, ``idle_seconds`` at a time (0: never), but not beyond ``ends_at``.
    """

    session_hash: str
    customer_id: str
    identity_id: str
    roles: list[str] = field(default_factory=list)
    issued_at: int = 0
    expires_at: int = 0
    ends_at: int = 0
    idle_seconds: int = 0
    generation: int = 0


@dataclass(frozen=True)
class Person:
    """Sessions count that have the ``generation``, a new one of which ends all older ones; the last did at ``ended_at`` (epoch
    milliseconds).
    """

    generation: int = 0
    ended_at: int = 0


def bearer_token(authorization: str) -> str | None:
    """The token in an ``Authorization`` header; None without a valid one."""
    match = _BEARER.fullmatch(authorization)
    return match[1] if match else None


def session_hash(token: str) -> str:
    """The key of a token's session: a digest, so that a leaked table gives no access."""
    return hashlib.sha256(token.encode()).hexdigest()


def use_session(token: str) -> Session | None:
    """The session of a token, extended by its use; None if it does not exist, has ended or expired, or if all sessions of its
    person were ended.

    Two consistent reads, and a write now and then.
    """
    session = find_session(token)
    return session if session and _extend(session, int(time.time())) else None


def find_session(token: str) -> Session | None:
    """As ``use_session``, without extending it."""
    stored = read_item(session_hash(token))
    # DynamoDB removes expired items days late.
    if not stored or stored["expires_at"] <= int(time.time()):
        return None
    session = from_stored(Session, stored)
    return session if session.generation == find_person(session.identity_id).generation else None


def find_person(identity_id: str) -> Person:
    """The person's generation of sessions, and when all their sessions were last ended."""
    return from_stored(Person, read_item(person_key(identity_id)))


def person_key(identity_id: str) -> str:
    """The key of the item {session_hash, generation, ended_at} of a person, whose sessions were all ended once. It stays."""
    return f"person#{identity_id}"


def read_item(key: str) -> dict[str, Any]:
    """An item of the sessions table as it is now, {} if there is none."""
    return dynamodb.get(setting("SESSIONS_TABLE_NAME"), {"session_hash": key}) or {}


def _extend(session: Session, now: int) -> bool:
    """Extend a session after half of its idle time; False if it has ended meanwhile."""
    expires_at = min(now + session.idle_seconds, session.ends_at)
    if expires_at <= session.expires_at or session.expires_at - now > session.idle_seconds / 2:
        return True
    try:
        dynamodb.update_if(
            setting("SESSIONS_TABLE_NAME"),
            {"session_hash": session.session_hash},
            set={"expires_at": expires_at},
            # A session that was ended meanwhile is not extended.
            condition="attribute_exists(session_hash)",
        )
    except ConditionFailed:
        return False
    except (BotoCoreError, ClientError):
        # The next request extends it.
        return True
    return True
