"""Sessions: shared by processes, and a store that is away signs everybody out and breaks nothing."""

import asyncio
import time
from typing import Any

import pytest
from app.sessions import COOKIE, Session, Sessions
from fakeredis import FakeAsyncRedis, FakeServer
from redis.exceptions import ConnectionError as StoreAway
from starlette.requests import Request
from starlette.responses import Response


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
    headers = [(b"cookie", f"{COOKIE}={cookie}".encode())] if cookie else []
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


def test_the_store_knows_no_id(server: FakeServer):
    cookie = begun(sessions(server), somebody())
    kept = asyncio.run(FakeAsyncRedis(server=server, decode_responses=True).keys("*"))
    assert len(kept) == 1
    assert cookie not in kept[0]


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
