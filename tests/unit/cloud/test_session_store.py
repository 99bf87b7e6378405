"""The session store of the local cloud requires the token, as on AWS."""

import socket
import threading
from collections.abc import Iterator

import pytest
import redis

from local.settings import HOST
from local.storefront.session_store import session_store, sessions_url

TOKEN = "a token/with:what@URLs?need%escaped"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = session_store(0, TOKEN)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_the_storefront_keeps_sessions(port: int):
    with redis.Redis.from_url(sessions_url(TOKEN, port)) as store:
        store.set("session:1", "kept", ex=60)
        assert store.get("session:1") == b"kept"
        assert 0 < store.ttl("session:1") <= 60
        store.delete("session:1")
        assert store.get("session:1") is None


@pytest.mark.parametrize(
    "url",
    [
        "redis://{}/0",
        "redis://:wrong@{}/0",
        "redis://storefront:wrong@{}/0",
        "redis://default:@{}/0",
        "redis://default:wrong@{}/0",
    ],
)
@pytest.mark.parametrize("protocol", [2, 3])
def test_other_clients_are_refused(port: int, url: str, protocol: int):
    with redis.Redis.from_url(url.format(f"{HOST}:{port}"), protocol=protocol) as store:
        for command in (("GET", "session:1"), ("KEYS", "*"), ("FLUSHALL",), ("ACL", "LIST"), ("MONITOR",)):
            with pytest.raises(redis.RedisError):
                store.execute_command(*command)


COMMANDS = (
    b"GET session:1",
    b"KEYS *",
    b"FLUSHALL",
    b"HELLO 3",
    b"CONFIG SET requirepass x",
    b"ACL SETUSER default +@all",
)


@pytest.mark.parametrize("first", [b"", b"AUTH default "])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_bare_connection_is_answered_with_an_error(port: int, first: bytes, command: bytes):
    with socket.create_connection((HOST, port), timeout=10) as connection, connection.makefile("rb") as replies:
        for line in filter(None, (first, command)):
            words = line.split(b" ")
            connection.sendall(
                b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
            )
            reply = replies.readline()
        assert reply.startswith(b"-NOPERM")
