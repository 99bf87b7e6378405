"""Sessions in a store that all processes share. While it is unavailable, all visitors are signed out.

The cookie holds a random id; the store holds {token, customer_id, email, expires_at, admin}, encrypted for that id.
"""

import secrets
import time
from dataclasses import asdict, dataclass, fields
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.cookies import Cookie
from app.encrypted_store import EncryptedStore

COOKIE = "session"


@dataclass
class Session:
    """The signed-in person; ``token`` is the session token of the login API, which ends at ``expires_at`` (epoch seconds)."""

    token: str
    customer_id: str
    email: str
    expires_at: int
    admin: bool = False


class Sessions:
    """``client`` is a Redis client; ``secure`` restricts the cookie to https."""

    def __init__(self, client: Any, *, secure: bool) -> None:
        self._store, self.cookie = EncryptedStore(client, "session"), Cookie(COOKIE, secure=secure)

    async def read(self, request: Request) -> Session | None:
        """Return the session of a request, or None if it is missing, expired or unreadable."""
        identifier = self.cookie.read(request)
        stored = await self._store.read(identifier) if identifier else None
        session = _session(stored) if stored else None
        return session if session and session.expires_at > time.time() else None

    async def create(self, response: Response, session: Session) -> bool:
        """Store a session under a new id, which prevents session fixation. False if the store is unavailable."""
        identifier = secrets.token_urlsafe(32)
        seconds = max(1, session.expires_at - int(time.time()))
        if not await self._store.write(identifier, asdict(session), seconds):
            return False
        self.cookie.set(response, identifier, seconds)
        return True

    async def end(self, request: Request, response: Response) -> None:
        """Delete the session of a request from the store, and its cookie."""
        self.cookie.delete(response)
        await self.delete(request)

    async def delete(self, request: Request) -> None:
        """Delete the session of a request from the store."""
        identifier = self.cookie.read(request)
        if identifier:
            await self._store.delete(identifier)


def _session(stored: dict[str, Any]) -> Session:
    """Ignores fields of a newer version of the storefront, which may run beside this one."""
    return Session(**{field.name: stored[field.name] for field in fields(Session) if field.name in stored})
