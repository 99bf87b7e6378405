"""Sessions begin and end; ``setpieces.sessions`` describes and reads them."""

import secrets
import time
from dataclasses import asdict

from login.domain import Identity
from setpieces import dynamodb
from setpieces.errors import RETRY_SECONDS, RetryLater
from setpieces.sessions import Session, find_person, find_session, person_key, session_hash
from setpieces.settings import setting

TOKEN_BYTES = 32


def create_session(identity: Identity, now: int, started_at: int) -> tuple[str, Session]:
    """Store a new session; returns its token, which is stored nowhere, and the session.

    ``now`` is in epoch seconds; ``started_at``, in epoch milliseconds, is a time before the password was checked. Raises
    ``RetryLater`` SESSIONS_ENDED if all sessions of the person were ended since: the password may have changed.
    """
    # Read before the session is stored: if the person's sessions are ended in between, this one is ended with them.
    person = find_person(identity.identity_id)
    if person.ended_at >= started_at:
        raise RetryLater(
            RETRY_SECONDS, "All sessions of this person were ended during the sign-in; sign in again", "SESSIONS_ENDED"
        )
    prefix = "ADMIN_" if identity.is_admin else ""
    ends_at = now + 60 * int(setting(f"{prefix}SESSION_MINUTES"))
    idle_seconds = 60 * int(setting(f"{prefix}IDLE_MINUTES"))
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
    dynamodb.put_if(_table(), asdict(session))
    return token, session


def end_session(token: str) -> bool:
    """Delete a session; False if there is none or it has ended.

    Read first: a condition on the deletion would fail when the SDK repeats a call whose response was lost.
    """
    session = find_session(token)
    if session is None:
        return False
    dynamodb.delete_if(_table(), {"session_hash": session.session_hash})
    return True


def end_all_sessions(identity_id: str) -> None:
    """End every session of a person, and every sign-in that is in progress."""
    dynamodb.update_if(
        _table(), {"session_hash": person_key(identity_id)}, set={"ended_at": milliseconds()}, add={"generation": 1}
    )


def milliseconds() -> int:
    """The time since the epoch, as ``ended_at`` of a person has it."""
    return time.time_ns() // 1_000_000


def _table() -> str:
    return setting("SESSIONS_TABLE_NAME")
