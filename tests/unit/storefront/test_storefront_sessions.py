"""Sessions: shared by processes, and a store that is away signs everybody out and breaks nothing."""

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis, FakeServer
from redis.exceptions import ConnectionError as StoreAway
from starlette.requests import Request
from starlette.responses import Response

from app.sessions import COOKIE, Session, Sessions


class Away:
    """A store that answers nothing."""

    def __getattr__(self, name: str) -> Any:
        async def fails(*given: Any, **named: Any) -> None:
            raise StoreAway("refused")

        return fails


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


def sessions(server: FakeServer) -> Sessions:
    return Sessions(FakeAsyncRedis(server=server, decode_responses=True), secure=True)


def somebody(seconds: int = 60) -> Session:
    return Session("token", "C000000001", "ada@example.com", int(time.time()) + seconds)


def request(cookie: str = "") -> Request:
    headers = [(b"cookie", f"__Host-{COOKIE}={cookie}".encode())] if cookie else []
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers, "query_string": b""})


def begun(store: Sessions, session: Session) -> str:
    """The cookie of a new session."""
    response = Response()
    assert asyncio.run(store.begin(response, session))
    return cookie_of(response)


def cookie_of(response: Response) -> str:
    return response.headers["set-cookie"].partition(";")[0].partition("=")[2]


def test_what_one_process_begins_another_reads(server: FakeServer):
    cookie = begun(sessions(server), somebody())
    assert asyncio.run(sessions(server).read(request(cookie))) == somebody()


def test_a_cookie_is_for_https_and_not_for_scripts(server: FakeServer):
    response = Response()
    asyncio.run(sessions(server).begin(response, somebody()))
    attributes = response.headers["set-cookie"].lower()
    assert all(word in attributes for word in ("httponly", "secure", "samesite=lax", "max-age="))


def test_whoever_signs_in_gets_an_id_that_nobody_knew(server: FakeServer):
    store = sessions(server)
    assert begun(store, somebody()) != begun(store, somebody())


def stored(server: FakeServer) -> dict[str, str]:
    """All that the store holds."""

    async def read() -> dict[str, str]:
        store = FakeAsyncRedis(server=server, decode_responses=True)
        return {key: await store.get(key) for key in await store.keys("*")}

    return asyncio.run(read())


def test_the_store_knows_no_id_and_nothing_of_a_session(server: FakeServer):
    cookie, session = begun(sessions(server), somebody()), somebody()
    [(key, value)] = stored(server).items()
    for secret in (cookie, session.token, session.email, session.customer_id, str(session.expires_at)):
        assert secret not in key + value


def test_a_session_is_read_under_its_own_id_only(server: FakeServer):
    """Who can write to the store does not become somebody else by moving their session."""
    store = sessions(server)
    first = begun(store, somebody())
    [(first_key, _)] = stored(server).items()
    begun(store, Session("admin's", "", "admin@example.com", int(time.time()) + 60, admin=True))
    [value] = [value for key, value in stored(server).items() if key != first_key]
    for planted in (value, "garbage", '{"token": "t", "customer_id": "", "email": "", "expires_at": 9999999999}'):
        asyncio.run(FakeAsyncRedis(server=server).set(first_key, planted))
        assert asyncio.run(store.read(request(first))) is None


@dataclass
class NewerSession(Session):
    later: str = "of a newer version"


def test_a_session_that_a_newer_version_kept_is_read(server: FakeServer):
    session = somebody()
    cookie = begun(sessions(server), NewerSession(**asdict(session)))
    assert asyncio.run(sessions(server).read(request(cookie))) == session


@pytest.mark.parametrize(("secure", "name"), [(True, "__Host-session"), (False, "session")])
def test_a_cookie_for_https_is_one_that_no_other_host_can_set(server: FakeServer, secure: bool, name: str):
    response = Response()
    store = Sessions(FakeAsyncRedis(server=server, decode_responses=True), secure=secure)
    asyncio.run(store.begin(response, somebody()))
    given, *attributes = response.headers["set-cookie"].lower().split("; ")
    assert given.partition("=")[0] == name.lower()
    assert "path=/" in attributes
    assert ("secure" in attributes) == secure
    assert not [attribute for attribute in attributes if attribute.startswith("domain")]


def test_a_cookie_that_a_sibling_host_has_set_is_not_read(server: FakeServer):
    cookie = begun(sessions(server), somebody())
    planted = Request({"type": "http", "headers": [(b"cookie", f"session={cookie}".encode())]})
    assert asyncio.run(sessions(server).read(planted)) is None


@pytest.mark.parametrize("cookie", ["", "unknown", "../x", "x" * 4000])
def test_an_unknown_cookie_is_nobody(server: FakeServer, cookie: str):
    assert asyncio.run(sessions(server).read(request(cookie))) is None


def test_a_session_ends_with_the_apis(server: FakeServer):
    cookie = begun(sessions(server), somebody(seconds=-1))
    assert asyncio.run(sessions(server).read(request(cookie))) is None


def test_signed_out_is_signed_out(server: FakeServer):
    store = sessions(server)
    cookie, response = begun(store, somebody()), Response()
    asyncio.run(store.end(request(cookie), response))
    assert cookie_of(response) in ("", '""')
    assert asyncio.run(store.read(request(cookie))) is None


def test_without_the_store_everybody_is_signed_out_and_nothing_breaks():
    store, response = Sessions(Away(), secure=True), Response()
    assert asyncio.run(store.read(request("some-cookie"))) is None
    assert not asyncio.run(store.begin(response, somebody()))
    assert "set-cookie" not in response.headers
    asyncio.run(store.end(request("some-cookie"), response))
