"""A call ends in its time, against real peers on loopback that misbehave."""

import errno
import socket
import ssl
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from setpieces import connections, external, signed_client
from setpieces.errors import ExternalUnavailable
from tests.unit.common.peer_calls import call, forget_after_one, hang_before_reading, keep_answering, tls_contexts
from tests.unit.common.peers import HEAD, OK, Connection, Peer

pytestmark = pytest.mark.usefixtures("no_connections")

SECONDS = 0.3


def drip_body(connection: Connection) -> None:
    connection.read()
    connection.socket.sendall(HEAD % 200)
    connection.drip(b"{}")


def drip_head(connection: Connection) -> None:
    connection.read()
    connection.drip(OK)


def drip_chunks(connection: Connection) -> None:
    connection.read()
    connection.socket.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.drip(b"2\r\n{}\r\n0\r\n\r\n")


SLOW = [drip_body, drip_head, drip_chunks, hang_before_reading]


@pytest.mark.parametrize("script", SLOW)
def test_a_deadline_is_for_the_whole_call(script):
    with Peer(script) as peer, pytest.raises(ExternalUnavailable) as failure:
        call(peer, timeout=SECONDS)
    assert failure.value.timed_out


@pytest.mark.parametrize("script", SLOW)
def test_a_deadline_is_for_the_whole_internal_call(monkeypatch, script):
    with Peer(script) as peer:
        monkeypatch.setattr(signed_client, "read_parameter", lambda *_: peer.url)
        with pytest.raises(ExternalUnavailable) as failure:
            signed_client.call("tax", "POST", "/v1/quotations", timeout=SECONDS)
    assert failure.value.timed_out


@pytest.mark.parametrize("script", SLOW)
def test_a_deadline_holds_over_tls(monkeypatch, tmp_path, script):
    server, client = tls_contexts(tmp_path)
    monkeypatch.setattr(connections, "_tls_context", lambda: client)
    with Peer(script, tls=server) as peer, pytest.raises(ExternalUnavailable) as failure:
        call(peer, timeout=SECONDS)
    assert failure.value.timed_out


def test_a_trickling_handshake_times_out():
    def drip_hello(connection: Connection) -> None:
        # A TLS record of 16,384 bytes begins, and does not end.
        connection.drip(b"\x16\x03\x03\x40\x00\x02")

    with Peer(drip_hello) as peer:
        peer.url = f"https://127.0.0.1:{peer.port}"
        with pytest.raises(ExternalUnavailable) as failure:
            call(peer, timeout=SECONDS)
        assert not peer.was_waited_for
    assert failure.value.timed_out


@pytest.mark.parametrize("tls", [False, True])
def test_a_peer_that_does_not_read_times_out(monkeypatch, tmp_path, tls):
    server, client = tls_contexts(tmp_path)
    monkeypatch.setattr(connections, "_tls_context", lambda: client)
    with Peer(hang_before_reading, tls=server if tls else None) as peer, pytest.raises(ExternalUnavailable) as failure:
        call(peer, "PUT", timeout=SECONDS, body="x" * 20_000_000)
    assert not peer.was_waited_for
    assert failure.value.timed_out


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("died", [False, True])
def test_every_wait_has_the_remaining_time_of_the_call(monkeypatch, tmp_path, tls, died):
    """To connect, to shake hands, each send, each read; also those of the second try, after a kept connection that had died."""
    server, client = tls_contexts(tmp_path)
    monkeypatch.setattr(connections, "_tls_context", lambda: client)
    scripts = (forget_after_one, keep_answering) if died else (keep_answering,)
    with Peer(*scripts, tls=server if tls else None) as peer:
        if died:
            call(peer)
        waits = _recorded_waits(monkeypatch, timeout=5.0)
        assert call(peer, "PUT", timeout=5.0, body="x").status == 200
    names = [name for name, _, _ in waits]
    assert (names.count("connect"), names.count("do_handshake"), names.count("send")) == (1, tls, 4 if died else 2)
    assert "recv_into" in names
    assert [limit for _, limit, _ in waits] == pytest.approx([remaining for _, _, remaining in waits])


def test_time_that_an_address_takes_counts(monkeypatch):
    """Parameter Store was slow: what is left is too little, and the peer is not called."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(external, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: clock.now, time=lambda: clock.now))
    with Peer(keep_answering) as peer:

        def slow_address(_: str) -> str:
            clock.now += 2
            return peer.url

        with pytest.raises(ExternalUnavailable):
            external.call("tax", "GET", "rates", timeout=1.5, base_url=slow_address)
    assert not peer.requests


def test_an_address_that_does_not_answer_leaves_time_for_the_next(monkeypatch):
    # A listener that accepts nothing, with its one place taken: Linux drops what else asks to connect.
    with Peer(keep_answering) as peer, socket.socket() as full, socket.socket() as first:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        first.connect(full.getsockname())
        dead = (socket.AF_INET, socket.SOCK_STREAM, 6, "", full.getsockname())
        live = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", peer.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [dead, live])
        assert call(peer, timeout=3.0).status == 200
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [dead, dead])
        connections._idle.clear()
        with pytest.raises(ExternalUnavailable) as failure:
            call(peer, timeout=SECONDS)
    assert failure.value.timed_out


def test_an_address_of_a_family_that_this_machine_does_not_have_leaves_the_others(monkeypatch):
    """An IPv6 address where the kernel has no IPv6: making the socket fails already."""
    with Peer(keep_answering) as peer:
        absent = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", peer.port, 0, 0))
        live = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", peer.port))
        make = socket.socket

        def without_ipv6(family: int = -1, *arguments: Any, **options: Any) -> socket.socket:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            return make(family, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [absent, live])
        monkeypatch.setattr(connections.socket, "socket", without_ipv6)
        assert call(peer).status == 200


def _recorded_waits(monkeypatch: pytest.MonkeyPatch, timeout: float) -> list[tuple[str, float | None, float]]:
    """(name, its time-out, what is left of ``timeout``) of each wait of this thread's sockets, which takes 0.1 s."""
    clock, waits, this = SimpleNamespace(now=0.0), [], threading.current_thread()
    monkeypatch.setattr(external, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(connections, "time", SimpleNamespace(monotonic=lambda: clock.now, time=time.time))

    def record(kind: type[socket.socket], name: str) -> None:
        original = getattr(kind, name)

        def recorded(self: socket.socket, *arguments: Any) -> Any:
            if threading.current_thread() is this:
                waits.append((name, self.gettimeout(), timeout - clock.now))
                clock.now += 0.1
            return original(self, *arguments)

        monkeypatch.setattr(kind, name, recorded)

    record(socket.socket, "connect")
    record(ssl.SSLSocket, "do_handshake")
    for kind in (socket.socket, ssl.SSLSocket):
        record(kind, "send")
        record(kind, "recv_into")
    return waits
