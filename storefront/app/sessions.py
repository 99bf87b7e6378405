"""Sessions in a Redis-protocol store, shared by all processes. Without the store everybody is signed out, and nothing breaks.

A cookie holds a random id and nothing else; under its hash the store holds {token, customer_id, email, expires_at, admin}.
"""

import hashlib
import json
import logging
import secrets
import time
from dataclasses import asdict, dataclass, fields
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

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
    """``store`` is a Redis client; ``secure`` says whether cookies are for https only."""

    def __init__(self, store: Any, *, secure: bool) -> None:
        self._store, self._secure = store, secure

    @classmethod
    def at(cls, url: str, *, secure: bool) -> "Sessions":
        store = Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, decode_responses=True)
        return cls(store, secure=secure)

    async def close(self) -> None:
        await self._store.aclose()

    async def read(self, request: Request) -> Session | None:
        """The session of a request, None if there is none, or none that can be read."""
        identifier = request.cookies.get(COOKIE, "")
        if not identifier:
            return None
        try:
            kept = await self._store.get(_key(identifier))
        except RedisError as error:
            LOG.warning("sessions cannot be read: %s", error)
            return None
        session = _session(json.loads(kept)) if kept else None
        return session if session and session.expires_at > time.time() else None

    async def begin(self, response: Response, session: Session) -> bool:
        """Keep a session under a new id: nobody signs in under one that somebody else knows. False without a store."""
        identifier = secrets.token_urlsafe(32)
        if not await self._write(identifier, session):
            return False
        response.set_cookie(
            COOKIE,
            identifier,
            max_age=max(1, session.expires_at - int(time.time())),
            httponly=True,
            samesite="lax",
            secure=self._secure,
        )
        return True

    async def end(self, request: Request, response: Response) -> None:
        """Forget the session of a request."""
        response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=self._secure)
        try:
            await self._store.delete(_key(request.cookies.get(COOKIE, "")))
        except RedisError as error:
            LOG.warning("a session cannot be ended in the store: %s", error)

    async def _write(self, identifier: str, session: Session) -> bool:
        seconds = max(1, session.expires_at - int(time.time()))
        try:
            await self._store.set(_key(identifier), json.dumps(asdict(session)), ex=seconds)
        except RedisError as error:
            LOG.warning("a session cannot be kept: %s", error)
            return False
        return True


def _session(kept: dict[str, Any]) -> Session:
    """A newer version of the storefront, running beside this one, may keep more."""
    return Session(**{field.name: kept[field.name] for field in fields(Session) if field.name in kept})


def _key(identifier: str) -> str:
    """Whoever reads the store cannot be anybody: it knows no ids."""
    return f"session:{hashlib.sha256(identifier.encode()).hexdigest()}"
