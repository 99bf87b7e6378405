"""Sessions in a Redis-protocol store, shared by all processes. Without the store everybody is signed out, and nothing breaks.

A cookie holds a random id and nothing else. The store holds {token, customer_id, email, expires_at, admin} under a hash of the
id, encrypted with a key that is derived from the id: who reads the store learns no id and nothing of a session.
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
# A store that does not answer at once is treated as gone: a page must not wait for it.
TIMEOUT = 0.5

LOG = logging.getLogger(__name__)


@dataclass
class Session:
    """Who is signed in; ``token`` is the API's session, which ends at ``expires_at`` (epoch seconds)."""

    token: str
    customer_id: str
    email: str
    expires_at: int
    admin: bool = False


class Sessions:
    """``store`` is a Redis client; ``secure`` says whether the cookie is for https only."""

    def __init__(self, store: Any, *, secure: bool) -> None:
        self._store, self.cookie = store, Cookie(COOKIE, secure=secure)

    @classmethod
    def at(cls, url: str, *, secure: bool) -> "Sessions":
        store = Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, decode_responses=True)
        return cls(store, secure=secure)

    async def close(self) -> None:
        await self._store.aclose()

    async def read(self, request: Request) -> Session | None:
        """The session of a request, None if there is none, or none that can be read."""
        identifier = self.cookie.read(request)
        if not identifier:
            return None
        try:
            kept = await self._store.get(_key(identifier))
        except RedisError as error:
            LOG.warning("sessions cannot be read: %s", error)
            return None
        session = _decrypted(identifier, kept) if kept else None
        return session if session and session.expires_at > time.time() else None

    async def begin(self, response: Response, session: Session) -> bool:
        """Keep a session under a new id: nobody signs in under one that somebody else knows. False without a store."""
        identifier = secrets.token_urlsafe(32)
        seconds = max(1, session.expires_at - int(time.time()))
        try:
            await self._store.set(_key(identifier), _encrypted(identifier, session), ex=seconds)
        except RedisError as error:
            LOG.warning("a session cannot be kept: %s", error)
            return False
        self.cookie.set(response, identifier, seconds)
        return True

    async def end(self, request: Request, response: Response) -> None:
        """Forget the session of a request, here and in the browser."""
        self.cookie.delete(response)
        await self.forget(request)

    async def forget(self, request: Request) -> None:
        """Forget the session of a request in the store."""
        identifier = self.cookie.read(request)
        if not identifier:
            return
        try:
            await self._store.delete(_key(identifier))
        except RedisError as error:
            LOG.warning("a session cannot be ended in the store: %s", error)


def _session(kept: dict[str, Any]) -> Session:
    """A newer version of the storefront, running beside this one, may keep more."""
    return Session(**{field.name: kept[field.name] for field in fields(Session) if field.name in kept})


def _key(identifier: str) -> str:
    return f"encrypted-session:{hashlib.sha256(identifier.encode()).hexdigest()}"


def _cipher(identifier: str) -> Fernet:
    """With a key that cannot be had from the hash in ``_key``."""
    return Fernet(base64.urlsafe_b64encode(hmac.digest(identifier.encode(), b"encryption of the session", "sha256")))


def _encrypted(identifier: str, session: Session) -> str:
    return _cipher(identifier).encrypt(json.dumps(asdict(session)).encode()).decode()


def _decrypted(identifier: str, kept: str) -> Session | None:
    """None if it was not encrypted for this id."""
    try:
        stored = json.loads(_cipher(identifier).decrypt(kept))
    except InvalidToken:
        LOG.warning("a session in the store is not encrypted for its id")
        return None
    return _session(stored)
