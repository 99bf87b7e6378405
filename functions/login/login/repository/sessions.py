"""Sessions begin and end; what they hold is described in ``setpieces.sessions``."""

import secrets
import time
from dataclasses import asdict

from login.clients import Identity
from setpieces.aws import client
from setpieces.dynamodb_types import to_item
from setpieces.errors import RETRY_SECONDS, RetryLater
from setpieces.sessions import Session, find_person, person_key, read_session, session_hash
from setpieces.settings import setting

TOKEN_BYTES = 32


def begin_session(identity: Identity, now: int, asked_at: int) -> tuple[str, Session]:
    """Store a new session; returns its token, which is kept nowhere, and the session.

    ``asked_at`` (epoch milliseconds) was before the password was checked. Raises ``Problem`` 503 if the person's sessions were
    all ended since: the password may be another one now.
    """
    # Read before the session is stored: one that begins while the person's sessions are ended is ended with them.
    person = find_person(identity.identity_id)
    if person.ended_at >= asked_at:
        raise RetryLater(
            RETRY_SECONDS, "All sessions of this person were ended meanwhile; sign in again", "SESSIONS_ENDED"
        )
    whose = "ADMIN_" if "admin" in identity.roles else ""
    ends_at = now + 60 * int(setting(f"{whose}SESSION_MINUTES"))
    idle_seconds = 60 * int(setting(f"{whose}IDLE_MINUTES"))
    token = secrets.token_urlsafe(TOKEN_BYTES)
    session = Session(
        session_hash(token),
        identity.customer_id,
        identity.identity_id,
        identity.roles,
        issued_at=now,
        expires_at=min(now + idle_seconds, ends_at),
        ends_at=ends_at,
        idle_seconds=idle_seconds,
        generation=person.generation,
    )
    client("dynamodb").put_item(TableName=setting("SESSIONS_TABLE_NAME"), Item=to_item(asdict(session)))
    return token, session


def milliseconds() -> int:
    """The time, since the epoch."""
    return time.time_ns() // 1_000_000


def end_session(token: str) -> bool:
    """Forget a session; False if there was none, or one that has ended already.

    Read first: a condition on the deletion would refuse the SDK's own repeat of one whose answer was lost.
    """
    session = read_session(token)
    if session is None:
        return False
    key = to_item({"session_hash": session.session_hash})
    client("dynamodb").delete_item(TableName=setting("SESSIONS_TABLE_NAME"), Key=key)
    return True


def end_all_sessions(identity_id: str) -> None:
    """End every session that a person has now, and every sign-in that is under way."""
    client("dynamodb").update_item(
        TableName=setting("SESSIONS_TABLE_NAME"),
        Key=to_item({"session_hash": person_key(identity_id)}),
        UpdateExpression="SET ended_at = :now ADD generation :one",
        ExpressionAttributeValues=to_item({":one": 1, ":now": milliseconds()}),
    )
