"""Sessions in a Redis-protocol store that all processes share. While it is unavailable, all visitors are signed out.

The cookie holds a random id. The store holds {token, customer_id, email, expires_at, admin} under a hash of the id, encrypted
with a key that is derived from the id: read access to the store reveals neither ids nor sessions.
"""

import base64
import hashlib
import hmac
import json
import logging
import secrets
import time
from dataclasses import asdict, dataclass, fields
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from app.cookies import Cookie

COOKIE = "session"
# Seconds; short, because pages are useful without a session.
TIMEOUT = 0.5

LOG = logging.getLogger(__name__)


@dataclass
class Session:
    """The signed-in person; ``token`` is the session token of the login API, which ends at ``expires_at`` (epoch seconds)."""

    token: str
    customer_id: str
    email: str
    expires_at: int
    admin: bool = False


class Sessions:
    """``store`` is a Redis client; ``secure`` restricts the cookie to https."""

    def __init__(self, store: Any, *, secure: bool) -> None:
        self._store, self.cookie = store, Cookie(COOKIE, secure=secure)

    @classmethod
    def from_url(cls, url: str, *, secure: bool) -> "Sessions":
        store = Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, decode_responses=True)
        return cls(store, secure=secure)

    async def close(self) -> None:
        await self._store.aclose()

    async def read(self, request: Request) -> Session | None:
        """Return the session of a request, or None if it is missing, expired or unreadable."""
        identifier = self.cookie.read(request)
        if not identifier:
            return None
        try:
            encrypted = await self._store.get(_key(identifier))
        except RedisError as error:
            LOG.warning("sessions cannot be read: %s", error)
            return None
        session = _decrypt(identifier, encrypted) if encrypted else None
        return session if session and session.expires_at > time.time() else None

    async def create(self, response: Response, session: Session) -> bool:
        """Store a session under a new id, which prevents session fixation. False if the store is unavailable."""
        identifier = secrets.token_urlsafe(32)
        seconds = max(1, session.expires_at - int(time.time()))
        try:
            await self._store.set(_key(identifier), _encrypt(identifier, session), ex=seconds)
        except RedisError as error:
            LOG.warning("a session cannot be stored: %s", error)
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
        if not identifier:
            return
        try:
            await self._store.delete(_key(identifier))
        except RedisError as error:
            LOG.warning("a session cannot be deleted from the store: %s", error)


def _session(stored: dict[str, Any]) -> Session:
    """Ignores fields of a newer version of the storefront, which may run beside this one."""
    return Session(**{field.name: stored[field.name] for field in fields(Session) if field.name in stored})


def _key(identifier: str) -> str:
    return f"encrypted-session:{hashlib.sha256(identifier.encode()).hexdigest()}"


def _cipher(identifier: str) -> Fernet:
    """A cipher whose key cannot be derived from the hash in ``_key``."""
    return Fernet(base64.urlsafe_b64encode(hmac.digest(identifier.encode(), b"encryption of the session", "sha256")))


def _encrypt(identifier: str, session: Session) -> str:
    return _cipher(identifier).encrypt(json.dumps(asdict(session)).encode()).decode()


def _decrypt(identifier: str, encrypted: str) -> Session | None:
    """Return the session, or None if ``encrypted`` was not encrypted for this id."""
    try:
        stored = json.loads(_cipher(identifier).decrypt(encrypted))
    except InvalidToken:
        LOG.warning("a session in the store is not encrypted for its id")
        return None
    return _session(stored)
