"""HTTP requests that end by a deadline, over connections that are reused.

The timeout of a socket limits one wait, and each byte that arrives restarts it. Here every wait of a request (to connect, to
send, each read) is limited to the time that remains until the deadline. Only name resolution cannot be interrupted; its time
counts.

Lambda freezes a function between two requests. A connection that the peer closes meanwhile may still look open, and the next
request on it fails although the peer works. A repeatable request is then sent again on a new connection; a request that is not
repeatable only uses a connection that was in use a moment ago.
"""

import http.client
import io
import select
import socket
import ssl
import time
from dataclasses import dataclass
from email.message import Message
from functools import cache
from typing import Any
from urllib.parse import urlsplit

# Raised by ``request``; ``TimeoutError`` is one of them.
FAILURES = (OSError, http.client.HTTPException)

# How long a connection may have been idle: for a request that may be repeated, and for one that may not.
IDLE_SECONDS = {True: 60, False: 2}
MOST_IDLE = 16
# API Gateway, which most peers are behind, answers with 10 MB at most; the memory of a function is not for more.
MOST_BYTES = 16 * 1024 * 1024
# With all that frames it: interim responses, headers, sizes of chunks, trailers. http.client limits none of them altogether.
MOST_RECEIVED = 2 * MOST_BYTES

# Managed rules of web ACLs refuse requests that do not name their sender.
USER_AGENT = "setpieces"

_Peer = tuple[str, str, int]
# Idle connections, and the time since which they are idle: in wall-clock time, which includes the time of a freeze.
_idle: dict[_Peer, list[tuple[float, "_Connection"]]] = {}


@dataclass(frozen=True)
class Reply:
    """A complete HTTP response; names of ``headers`` are case-insensitive."""

    status: int
    headers: Message
    data: bytes


def request(
    method: str, url: str, *, headers: dict[str, str], body: bytes | None, timeout: float, repeatable: bool
) -> Reply:
    """Send a request and read the response within ``timeout`` seconds in all.

    Redirects are not followed. Raises ``TimeoutError`` at the deadline, and others of ``FAILURES``; the request may have been
    carried out nevertheless.
    """
    deadline = time.monotonic() + timeout
    parts = urlsplit(url)
    peer = (parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    all_headers = {"Host": parts.netloc, "User-Agent": USER_AGENT} | headers
    connection = _take_idle(peer, IDLE_SECONDS[repeatable])
    if connection:
        try:
            return _exchange(peer, connection, deadline, method, target, body, all_headers)
        except _ConnectionLost:
            if not repeatable:
                raise
    return _exchange(peer, _open(peer, deadline), deadline, method, target, body, all_headers)


class _ConnectionLost(ConnectionError):
    """The connection ended before a response began."""


class _Socket:
    """The part of a socket that ``http.client`` uses; no call waits beyond ``deadline`` (``time.monotonic``)."""

    def __init__(self, connected: socket.socket) -> None:
        self.deadline, self._received = 0.0, 0
        self._socket = connected

    def begin(self, deadline: float) -> None:
        """Set the deadline of one request and its response."""
        self.deadline, self._received = deadline, 0

    def count(self, received: int) -> None:
        self._received += received
        if self._received > MOST_RECEIVED:
            raise http.client.HTTPException(f"the response has more than {MOST_RECEIVED} bytes")

    def limit(self) -> None:
        self._socket.settimeout(_remaining(self.deadline))

    def sendall(self, data: bytes) -> None:
        sent = 0
        while sent < len(data):
            self.limit()
            sent += self._socket.send(memoryview(data)[sent:])

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Stream(self, self._socket.makefile("rb", buffering=0)))

    def is_quiet(self) -> bool:
        """False if there is something to read: between two requests, that is the end or an unexpected response."""
        # The socket does not show bytes that TLS has already decrypted.
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self._socket.close()


class _Connection(http.client.HTTPConnection):
    """An HTTP connection over a socket with a deadline."""

    def __init__(self, host: str, port: int, connected: socket.socket) -> None:
        super().__init__(host, port)
        self.sock = self.limited = _Socket(connected)


class _Stream(io.RawIOBase):
    """The bytes that a ``_Socket`` receives."""

    def __init__(self, limited: _Socket, raw: socket.SocketIO) -> None:
        self._limited, self._raw = limited, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._limited.limit()
        received = self._raw.readinto(buffer)
        self._limited.count(received or 0)
        return received

    def close(self) -> None:
        self._raw.close()
        super().close()


def _exchange(
    peer: _Peer,
    connection: _Connection,
    deadline: float,
    method: str,
    target: str,
    body: bytes | None,
    headers: dict[str, str],
) -> Reply:
    """Send one request and read its response; the connection is reused if both sides leave it open."""
    connection.limited.begin(deadline)
    try:
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            while response.status < 200:
                # An interim response, such as 103 Early Hints: the response is still to come. http.client knows 100 only.
                response.headers = None  # type: ignore[assignment]
                response.begin()
        except (ConnectionError, ssl.SSLError) as error:
            raise _ConnectionLost(f"the connection ended: {error}") from error
        with response:
            reply = Reply(response.status, response.msg, _read_body(response))
        if response.will_close:
            connection.close()
    except BaseException:
        connection.close()
        raise
    _add_idle(peer, connection)
    return reply


def _read_body(response: http.client.HTTPResponse) -> bytes:
    """The whole body. http.client allocates as much memory as the length of the body or of a chunk says."""
    if response.length == 0:
        # The status has no body; http.client would wait for one that is announced as chunked.
        return b""
    is_open = response.length is None
    try:
        data = response.read(MOST_BYTES + 1) if is_open else b""
    except ValueError as error:
        # http.client accepts a negative size.
        raise http.client.HTTPException("a chunk has no size") from error
    if max(len(data), response.length or 0) > MOST_BYTES:
        raise http.client.HTTPException(f"the response has more than {MOST_BYTES} bytes")
    return data if is_open else response.read()


def _open(peer: _Peer, deadline: float) -> _Connection:
    scheme, host, port = peer
    connected = _connect(host, port, deadline)
    if scheme == "https":
        connected.settimeout(_remaining(deadline))
        connected = _tls_context().wrap_socket(connected, server_hostname=host)
    return _Connection(host, port, connected)


def _connect(host: str, port: int, deadline: float) -> socket.socket:
    """A connection to the first address that accepts one; each gets its share of the remaining time."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure = OSError(f"{host} has no address")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        connected = None
        try:
            # Fails for IPv6 where the machine has none.
            connected = socket.socket(family, kind, protocol)
            connected.settimeout(_remaining(deadline) / (len(addresses) - number))
            connected.connect(address)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connected
        except OSError as error:
            if connected:
                connected.close()
            failure = error
    raise failure


def _take_idle(peer: _Peer, idle_seconds: float) -> _Connection | None:
    """The usable connection to ``peer`` that was used last, None without one. Unusable ones are closed."""
    while True:
        try:
            # Other threads take connections too.
            since, connection = _idle[peer].pop()
        except LookupError:
            return None
        if time.time() - since <= idle_seconds and connection.limited.is_quiet():
            return connection
        connection.close()


def _add_idle(peer: _Peer, connection: _Connection) -> None:
    waiting = _idle.setdefault(peer, [])
    if connection.sock is not None and len(waiting) < MOST_IDLE:
        waiting.append((time.time(), connection))
    else:
        connection.close()


def _remaining(deadline: float) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("the deadline has passed")
    return remaining


@cache
def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
