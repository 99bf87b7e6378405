"""What peers on loopback send that is no plain answer: more than one, too much, or nonsense."""

import http.client
import io

import pytest

from setpieces import connections, external
from setpieces.errors import ExternalUnavailable
from tests.unit.common.peer_calls import call, keep_answering, tls_contexts
from tests.unit.common.peers import HEAD, OK, Connection, Peer

pytestmark = pytest.mark.usefixtures("no_connections")

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
def test_bytes_after_a_response_do_not_answer_the_next_request(monkeypatch, tmp_path, tls):
    """Its beginning is in one buffer with the response; the rest waits in the kernel, or is decrypted already."""
    forged = HEAD % 6 + b"forged"
    whole = OK + b" " * (io.DEFAULT_BUFFER_SIZE - len(OK)) + forged

    def smuggle(connection: Connection) -> None:
        connection.read()
        connection.socket.sendall(whole)
        keep_answering(connection)

    server, client = tls_contexts(tmp_path)
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
def test_chunks_trailers_and_interim_responses_have_a_limit(beginning, more):
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
    "response",
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
def test_a_peer_that_talks_nonsense_is_unavailable(response):
    def talk(connection: Connection) -> None:
        connection.read()
        connection.socket.sendall(response)

    with Peer(talk) as peer, pytest.raises(ExternalUnavailable):
        call(peer)
