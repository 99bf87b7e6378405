"""Bodies of responses."""

from datetime import UTC, datetime
from typing import Any

from setpieces.sessions import Session


def session_view(token: str, session: Session) -> dict[str, Any]:
    """{session_token, customer_id, expires_at, roles}; ``customer_id`` is null for people who are no customers."""
    return {
        "session_token": token,
        "customer_id": session.customer_id or None,
        "expires_at": datetime.fromtimestamp(session.ends_at, UTC).isoformat(),
        "roles": list(session.roles),
    }
