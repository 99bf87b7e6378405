"""Sessions begin and end; what they hold is described in ``setpieces.sessions``."""

import secrets
from dataclasses import asdict

from login_identity import Identity

from setpieces.aws import client
from setpieces.items import to_item
from setpieces.sessions import Session, current_generation, person_key, read_item, session_hash
from setpieces.settings import setting

TOKEN_BYTES = 32


def begin_session(identity: Identity, now: int) -> tuple[str, Session]:
    """Store a new session; returns its token, which is kept nowhere, and the session."""
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
        # Read before the session is stored: one that begins while the person's sessions are ended is ended with them.
        generation=current_generation(identity.identity_id),
    )
    client("dynamodb").put_item(TableName=setting("SESSIONS_TABLE_NAME"), Item=to_item(asdict(session)))
    return token, session


def end_session(token: str) -> bool:
    """Forget a session; False if there was none.

    Read first: a condition on the deletion would refuse the SDK's own repeat of one whose answer was lost.
    """
    key = session_hash(token)
    if not read_item(key):
        return False
    client("dynamodb").delete_item(TableName=setting("SESSIONS_TABLE_NAME"), Key=to_item({"session_hash": key}))
    return True


def end_all_sessions(identity_id: str) -> None:
    """End every session that a person has now, for every reader at once."""
    client("dynamodb").update_item(
        TableName=setting("SESSIONS_TABLE_NAME"),
        Key=to_item({"session_hash": person_key(identity_id)}),
        UpdateExpression="ADD generation :one",
        ExpressionAttributeValues=to_item({":one": 1}),
    )
