"""Deadlines and kept connections, against real peers on loopback that misbehave."""

import errno
import http.client
import io
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.credentials import Credentials

from setpieces import connections, external, signed_client, signing
from setpieces.errors import ExternalUnavailable
from tests.unit.common.peers import HEAD, OK, Connection, Peer, certificate

SECONDS = 0.3


@pytest.fixture(autouse=True)
def _no_connections(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(connections, "_idle", {})
    session = SimpleNamespace(get_credentials=lambda: Credentials("id", "secret"), region_name="eu-central-1")
    monkeypatch.setattr(signing, "_session", lambda: session)
    yield
    for waiting in connections._idle.values():
        for _, connection in waiting:
            connection.close()


def call(peer: Peer, method: str = "GET", *, timeout: float = 5.0, **options: Any) -> external.Answer:
    return external.call("tax", method, "rates", timeout=timeout, base_url=lambda _: peer.url, **options)


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


def hang_before_reading(connection: Connection) -> None:
    connection.hang()
    connection.answer()


def keep_answering(connection: Connection) -> None:
    while True:
        connection.answer()


def forget_after_one(connection: Connection) -> None:
    """Close the connection as if the FIN had been lost: the client finds out with its next request."""
    connection.answer()
    connection.read()
    connection.reset()


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
    server, client = _tls(tmp_path)
    monkeypatch.setattr(connections, "_tls_context", lambda: client)
    with Peer(script, tls=server) as peer, pytest.raises(ExternalUnavailable) as failure:
        call(peer, timeout=SECONDS)
    assert failure.value.timed_out


def test_a_handshake_that_drips_is_given_up():
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
def test_a_peer_that_does_not_read_is_given_up(monkeypatch, tmp_path, tls):
    server, client = _tls(tmp_path)
    monkeypatch.setattr(connections, "_tls_context", lambda: client)
    with Peer(hang_before_reading, tls=server if tls else None) as peer, pytest.raises(ExternalUnavailable) as failure:
        call(peer, "PUT", timeout=SECONDS, body="x" * 20_000_000)
    assert not peer.was_waited_for
    assert failure.value.timed_out


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("died", [False, True])
def test_every_wait_has_what_is_left_of_the_whole(monkeypatch, tmp_path, tls, died):
    """To connect, to shake hands, each send, each read; also those of the second try, after a kept connection that had died."""
    server, client = _tls(tmp_path)
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
    assert [limit for _, limit, _ in waits] == pytest.approx([left for _, _, left in waits])


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


def test_a_connection_is_kept():
    with Peer(keep_answering) as peer:
        for method in ("GET", "POST", "GET"):
            assert call(peer, method, body={"a": 1} if method == "POST" else None).body == {}
    assert peer.requests == [(0, "GET"), (0, "POST"), (0, "GET")]


def test_a_connection_is_kept_over_tls(monkeypatch, tmp_path):
    server, client = _tls(tmp_path)
    monkeypatch.setattr(connections, "_tls_context", lambda: client)
    with Peer(keep_answering, tls=server) as peer:
        assert [call(peer).status, call(peer).status] == [200, 200]
    assert peer.requests == [(0, "GET"), (0, "GET")]


def test_a_certificate_of_a_stranger_is_refused(tmp_path):
    server, _ = _tls(tmp_path)
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


INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


@pytest.mark.parametrize("interim", [INTERIM, INTERIM + INTERIM, b"HTTP/1.1 100 Continue\r\n\r\n" + INTERIM])
def test_an_interim_response_is_not_the_answer_and_the_answer_is_not_that_of_the_next_request(interim):
    def hint(connection: Connection) -> None:
        for number in range(2):
            connection.read()
            connection.socket.sendall(interim)
            connection.socket.sendall(HEAD % 1 + str(number).encode())

    with Peer(hint) as peer:
        assert [call(peer), call(peer)] == [external.Answer(200, 0), external.Answer(200, 1)]
    assert peer.requests == [(0, "GET"), (0, "GET")]


def test_an_answer_after_an_interim_response_ends_the_connection_if_it_says_so():
    def hint(connection: Connection) -> None:
        connection.read()
        connection.socket.sendall(INTERIM + OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        connection.hang()

    with Peer(hint) as peer:
        assert [call(peer).status, call(peer).status] == [200, 200]
    assert peer.requests == [(0, "GET"), (1, "GET")]


@pytest.mark.parametrize("tls", [False, True])
def test_what_comes_after_a_response_is_no_answer_to_the_next_request(monkeypatch, tmp_path, tls):
    """Its beginning is in one buffer with the response; the rest waits in the kernel, or is decrypted already."""
    forged = HEAD % 6 + b"forged"
    whole = OK + b" " * (io.DEFAULT_BUFFER_SIZE - len(OK)) + forged

    def smuggle(connection: Connection) -> None:
        connection.read()
        connection.socket.sendall(whole)
        keep_answering(connection)

    server, client = _tls(tmp_path)
    monkeypatch.setattr(connections, "_tls_context", lambda: client)
    with Peer(smuggle, keep_answering, tls=server if tls else None) as peer:
        assert [call(peer), call(peer)] == [external.Answer(200, {}), external.Answer(200, {})]
    assert peer.requests == [(0, "GET"), (1, "GET")]


@pytest.mark.parametrize("header", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_leaves_the_connection(status, header):
    def empty(connection: Connection) -> None:
        connection.read()
        connection.socket.sendall(b"HTTP/1.1 %d X\r\n%s\r\n\r\n" % (status, header))
        keep_answering(connection)

    with Peer(empty) as peer:
        assert [call(peer), call(peer)] == [external.Answer(status, None), external.Answer(200, {})]
    assert peer.requests == [(0, "GET"), (0, "GET")]


TEXT = b'"' + b"x" * connections.MOST_BYTES + b'"'


@pytest.mark.parametrize("text", [b'"short"', TEXT], ids=["short", "long"])
@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: %d\r\n\r\n%s",
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
        b"Length: %d\r\n\r\n%s",
    ],
    ids=["of a length", "of chunks", "until the end"],
)
def test_a_response_has_a_limit(head, text):
    def talk(connection: Connection) -> None:
        connection.read()
        connection.socket.sendall(b"HTTP/1.1 200 OK\r\n" + head % (len(text), text))

    with Peer(talk) as peer:
        if text != TEXT:
            assert call(peer).body == "short"
            return
        with pytest.raises(ExternalUnavailable, match="not reachable"):
            call(peer)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HEADERS = (b"X: " + b"x" * 60_000 + b"\r\n") * 20


@pytest.mark.parametrize(
    ("beginning", "more"),
    [
        # http.client reads a chunk of -1 bytes until the end of the connection.
        (CHUNKED + b"-1\r\n", HEADERS),
        (CHUNKED + b"2\r\n{}\r\n0\r\n", HEADERS),
        (b"", b"HTTP/1.1 103 Early Hints\r\n" + HEADERS + b"\r\n"),
    ],
    ids=["a chunk without an end", "trailers", "interim responses"],
)
def test_what_frames_a_response_has_a_limit_too(beginning, more):
    def talk(connection: Connection) -> None:
        connection.read()
        connection.socket.sendall(beginning)
        while True:
            connection.socket.sendall(more)

    with Peer(talk) as peer, pytest.raises(http.client.HTTPException, match="more than"):
        connections.request("GET", peer.url, headers={}, body=None, timeout=60, repeatable=False)


@pytest.mark.parametrize("head", [b"Content-Length: %d\r\n", b"Transfer-Encoding: chunked\r\n\r\n%x\r\n"])
def test_a_length_that_no_memory_has_is_refused(head):
    """Python 3.13 before 3.13.11 asks for all of it first (CVE-2025-13836)."""

    def talk(connection: Connection) -> None:
        connection.read()
        connection.socket.sendall(b"HTTP/1.1 200 OK\r\n" + head % 2**60 + b"\r\n{}")

    with Peer(talk) as peer, pytest.raises(ExternalUnavailable):
        call(peer)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"[" * 200_000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 503 X\r\nRetry-After: \xb2\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 X\r\nRetry-After: " + b"9" * 5000 + b"\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=[
        "short",
        "no last chunk",
        "no chunk",
        "negative chunk",
        "deep",
        "long header",
        "no HTTP",
        "no digit",
        "too many digits",
    ],
)
def test_a_peer_that_talks_nonsense_is_unavailable(answer):
    def talk(connection: Connection) -> None:
        connection.read()
        connection.socket.sendall(answer)

    with Peer(talk) as peer, pytest.raises(ExternalUnavailable):
        call(peer)


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


def _tls(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    path = certificate(folder / "peer.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))
