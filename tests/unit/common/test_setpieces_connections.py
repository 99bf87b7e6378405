"""Kept connections, against real peers on loopback that close them."""

from typing import Any

import pytest

from setpieces import connections
from setpieces.errors import ExternalUnavailable
from tests.unit.common.peer_calls import call, forget_after_one, keep_answering, tls_contexts
from tests.unit.common.peers import OK, Connection, Peer

pytestmark = pytest.mark.usefixtures("no_connections")


def test_a_connection_is_kept():
    with Peer(keep_answering) as peer:
        for method in ("GET", "POST", "GET"):
            assert call(peer, method, body={"a": 1} if method == "POST" else None).body == {}
    assert peer.requests == [(0, "GET"), (0, "POST"), (0, "GET")]


def test_a_connection_is_kept_over_tls(monkeypatch, tmp_path):
    server, client = tls_contexts(tmp_path)
    monkeypatch.setattr(connections, "_tls_context", lambda: client)
    with Peer(keep_answering, tls=server) as peer:
        assert [call(peer).status, call(peer).status] == [200, 200]
    assert peer.requests == [(0, "GET"), (0, "GET")]


def test_a_certificate_of_a_stranger_is_refused(tmp_path):
    server, _ = tls_contexts(tmp_path)
    with Peer(keep_answering, tls=server) as peer, pytest.raises(ExternalUnavailable, match="not reachable"):
        call(peer)
    assert not peer.requests


def test_a_peer_that_closes_is_connected_to_again():
    def one(connection: Connection) -> None:
        connection.read()
        connection.socket.sendall(OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

    with Peer(one) as peer:
        assert [call(peer, "POST").status, call(peer, "POST").status] == [200, 200]
    assert peer.requests == [(0, "POST"), (1, "POST")]


REPEATED: list[tuple[str, dict[str, Any]]] = [
    ("GET", {}),
    ("PUT", {"body": {}}),
    ("DELETE", {}),
    ("POST", {"body": {}, "headers": {"Idempotency-Key": "T1"}}),
    ("POST", {"body": {}, "repeatable": True}),
]
SENT_ONCE: list[tuple[str, dict[str, Any]]] = [
    ("POST", {"body": {}}),
    ("PATCH", {"body": {}}),
    ("PUT", {"body": {}, "headers": {"If-Match": '"1"'}}),
    ("PUT", {"body": {}, "headers": {"If-None-Match": "*"}}),
]


@pytest.mark.parametrize(("method", "options"), REPEATED)
def test_a_request_on_a_dead_connection_is_sent_again_on_a_new_one(method, options):
    with Peer(forget_after_one, keep_answering) as peer:
        assert call(peer).status == 200
        assert call(peer, method, **options).status == 200
    assert peer.requests == [(0, "GET"), (0, method), (1, method)]


@pytest.mark.parametrize(("method", "options"), SENT_ONCE)
def test_a_request_that_may_not_be_repeated_is_sent_once(method, options):
    with Peer(forget_after_one, keep_answering) as peer:
        assert call(peer).status == 200
        with pytest.raises(ExternalUnavailable) as failure:
            call(peer, method, **options)
    assert failure.value.timed_out
    assert peer.requests == [(0, "GET"), (0, method)]


def test_a_new_connection_that_dies_is_a_failure_of_the_peer():
    def forget(connection: Connection) -> None:
        connection.read()
        connection.reset()

    with Peer(forget) as peer, pytest.raises(ExternalUnavailable):
        call(peer)
    assert peer.requests == [(0, "GET")]


@pytest.mark.parametrize(
    ("method", "idle_seconds", "connection"), [("GET", 59, 0), ("GET", 61, 1), ("POST", 1, 0), ("POST", 3, 1)]
)
def test_a_connection_that_was_idle_is_not_trusted(monkeypatch, method, idle_seconds, connection):
    """The peer may have closed it while the function was frozen; a request that may not be repeated takes no risk."""
    with Peer(keep_answering) as peer:
        call(peer)
        now = connections.time.time()
        monkeypatch.setattr(connections.time, "time", lambda: now + idle_seconds)
        call(peer, method)
    assert peer.requests == [(0, "GET"), (connection, method)]
