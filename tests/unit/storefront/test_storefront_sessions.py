"""Sessions: shared by processes; while the store is unavailable, all visitors are signed out."""

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from redis.exceptions import ConnectionError as StoreConnectionError
from starlette.requests import Request
from starlette.responses import Response

from app.sessions import COOKIE, Session, Sessions


class UnavailableStore:
    """A store whose calls fail."""

    def __getattr__(self, name: str) -> Any:
        async def fails(*args: Any, **kwargs: Any) -> None:
            raise StoreConnectionError("refused")

        return fails


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


def sessions(server: FakeServer) -> Sessions:
    return Sessions(FakeAsyncRedis(server=server, decode_responses=True), secure=True)


def a_session(seconds: int = 60) -> Session:
    return Session("token", "C000000001", "ada@example.com", int(time.time()) + seconds)


def request(cookie: str = "") -> Request:
    headers = [(b"cookie", f"__Host-{COOKIE}={cookie}".encode())] if cookie else []
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "query_string": b""})


def create_session(store: Sessions, session: Session) -> str:
    """The cookie of a new session."""
    response = Response()
    assert asyncio.run(store.create(response, session))
    return cookie_of(response)


def cookie_of(response: Response) -> str:
    return response.headers["set-cookie"].partition(";")[0].partition("=")[2]


def test_processes_share_sessions(server: FakeServer):
    cookie = create_session(sessions(server), a_session())
    assert asyncio.run(sessions(server).read(request(cookie))) == a_session()


def test_session_cookie_is_secure_and_http_only(server: FakeServer):
    response = Response()
    asyncio.run(sessions(server).create(response, a_session()))
    attributes = response.headers["set-cookie"].lower()
    assert all(word in attributes for word in ("httponly", "secure", "samesite=lax", "max-age="))


def test_each_sign_in_gets_a_new_session_id(server: FakeServer):
    store = sessions(server)
    assert create_session(store, a_session()) != create_session(store, a_session())


def stored(server: FakeServer) -> dict[str, str]:
    """Return all keys and values of the store."""

    async def read() -> dict[str, str]:
        store: Any = FakeAsyncRedis(server=server, decode_responses=True)
        return {key: await store.get(key) for key in await store.keys("*")}

    return asyncio.run(read())


def plant(server: FakeServer, key: str, value: str) -> None:
    async def write() -> None:
        await FakeAsyncRedis(server=server).set(key, value)

    asyncio.run(write())


def test_store_reveals_neither_ids_nor_sessions(server: FakeServer):
    cookie, session = create_session(sessions(server), a_session()), a_session()
    [(key, value)] = stored(server).items()
    for secret in (cookie, session.token, session.email, session.customer_id, str(session.expires_at)):
        assert secret not in key + value


def test_session_is_readable_only_under_its_own_id(server: FakeServer):
    """Write access to the store does not allow taking over another session."""
    store = sessions(server)
    first = create_session(store, a_session())
    [(first_key, _)] = stored(server).items()
    create_session(store, Session("admin's", "", "admin@example.com", int(time.time()) + 60, admin=True))
    [value] = [value for key, value in stored(server).items() if key != first_key]
    for planted in (value, "garbage", '{"token": "t", "customer_id": "", "email": "", "expires_at": 9999999999}'):
        plant(server, first_key, planted)
        assert asyncio.run(store.read(request(first))) is None


@dataclass
class NewerSession(Session):
    later: str = "of a newer version"


def test_session_of_a_newer_version_is_read(server: FakeServer):
    session = a_session()
    cookie = create_session(sessions(server), NewerSession(**asdict(session)))
    assert asyncio.run(sessions(server).read(request(cookie))) == session


@pytest.mark.parametrize(("secure", "name"), [(True, "__Host-session"), (False, "session")])
def test_secure_cookie_has_the_host_prefix(server: FakeServer, secure: bool, name: str):
    response = Response()
    store = Sessions(FakeAsyncRedis(server=server, decode_responses=True), secure=secure)
    asyncio.run(store.create(response, a_session()))
    cookie_pair, *attributes = response.headers["set-cookie"].lower().split("; ")
    assert cookie_pair.partition("=")[0] == name.lower()
    assert "path=/" in attributes
    assert ("secure" in attributes) == secure
    assert not [attribute for attribute in attributes if attribute.startswith("domain")]


def test_cookie_without_the_host_prefix_is_ignored(server: FakeServer):
    cookie = create_session(sessions(server), a_session())
    planted = Request({"type": "http", "headers": [(b"cookie", f"session={cookie}".encode())]})
    assert asyncio.run(sessions(server).read(planted)) is None


@pytest.mark.parametrize("cookie", ["", "unknown", "../x", "x" * 4000])
def test_unknown_cookie_is_signed_out(server: FakeServer, cookie: str):
    assert asyncio.run(sessions(server).read(request(cookie))) is None


def test_session_expires_with_the_apis_session(server: FakeServer):
    cookie = create_session(sessions(server), a_session(seconds=-1))
    assert asyncio.run(sessions(server).read(request(cookie))) is None


def test_sign_out_deletes_cookie_and_session(server: FakeServer):
    store = sessions(server)
    cookie, response = create_session(store, a_session()), Response()
    asyncio.run(store.end(request(cookie), response))
    assert cookie_of(response) in ("", '""')
    assert asyncio.run(store.read(request(cookie))) is None


def test_unavailable_store_is_signed_out_without_an_error():
    store, response = Sessions(UnavailableStore(), secure=True), Response()
    assert asyncio.run(store.read(request("some-cookie"))) is None
    assert not asyncio.run(store.create(response, a_session()))
    assert "set-cookie" not in response.headers
    asyncio.run(store.end(request("some-cookie"), response))
