"""Sessions begin and end; what they hold is described in ``setpieces.sessions``."""

import secrets
from dataclasses import asdict

from login_identity import Identity

from setpieces.aws import client
from setpieces.items import to_item
from setpieces.sessions import Session, session_hash
from setpieces.settings import setting

TOKEN_BYTES = 32


def begin_session(identity: Identity, now: int) -> tuple[str, Session]:
    """Store a new session; returns its token, which is kept nowhere, and the session."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    expires_at = now + 60 * int(setting("SESSION_MINUTES"))
    session = Session(session_hash(token), identity.customer_id, identity.identity_id, identity.roles, now, expires_at)
    client("dynamodb").put_item(TableName=setting("SESSIONS_TABLE_NAME"), Item=to_item(asdict(session)))
    return token, session


def end_session(token: str) -> bool:
    """Forget a session; False if there was none."""
    try:
        client("dynamodb").delete_item(
            TableName=setting("SESSIONS_TABLE_NAME"),
            Key=to_item({"session_hash": session_hash(token)}),
            ConditionExpression="attribute_exists(session_hash)",
        )
    except client("dynamodb").exceptions.ConditionalCheckFailedException:
        return False
    return True
