"""HTTP requests that end by a deadline, over connections that are kept for the next request.

A time-out of a socket limits one wait, and each byte that arrives starts it anew. Here every wait of a request (to connect,
to send, each read) gets what is left of the whole. Only the resolver cannot be interrupted; the time that it takes counts.

Lambda freezes a function between two requests. A connection that the peer closes meanwhile may still look open: the next
request on it fails although the peer works. A request that may be repeated is then sent once more on a new connection; one
that may not goes only on a connection that was in use a moment ago.
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
# Connections that wait for a next request, and since when: in wall-clock time, which goes on while the function is frozen.
_idle: dict[_Peer, list[tuple[float, "_Connection"]]] = {}


@dataclass(frozen=True)
class Reply:
    """A whole HTTP response; names of ``headers`` are found in any case."""

    status: int
    headers: Message
    data: bytes


def request(
    method: str, url: str, *, headers: dict[str, str], body: bytes | None, timeout: float, repeatable: bool
) -> Reply:
    """Send a request and read the response within ``timeout`` seconds in all.

    Redirects are not followed. Raises ``TimeoutError`` when the time is over, and others of ``FAILURES``; the request may have
    been carried out all the same.
    """
    deadline = time.monotonic() + timeout
    parts = urlsplit(url)
    peer = (parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"Host": parts.netloc, "User-Agent": USER_AGENT} | headers
    connection = _kept(peer, IDLE_SECONDS[repeatable])
    if connection:
        try:
            return _exchange(peer, connection, deadline, method, target, body, sent)
        except _Died:
            if not repeatable:
                raise
    return _exchange(peer, _opened(peer, deadline), deadline, method, target, body, sent)


class _Died(ConnectionError):
    """The connection ended before a response began."""


class _Socket:
    """As much of a socket as ``http.client`` uses; no call waits beyond ``deadline`` (``time.monotonic``)."""

    def __init__(self, connected: socket.socket) -> None:
        self.deadline, self._received = 0.0, 0
        self._socket = connected

    def begin(self, deadline: float) -> None:
        """What follows is one request and its response."""
        self.deadline, self._received = deadline, 0

    def count(self, received: int) -> None:
        self._received += received
        if self._received > MOST_RECEIVED:
            raise http.client.HTTPException(f"the response has more than {MOST_RECEIVED} bytes")

    def limit(self) -> None:
        self._socket.settimeout(_left(self.deadline))

    def sendall(self, data: bytes) -> None:
        sent = 0
        while sent < len(data):
            self.limit()
            sent += self._socket.send(memoryview(data)[sent:])

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Stream(self, self._socket.makefile("rb", buffering=0)))

    def is_quiet(self) -> bool:
        """False if there is something to read: between two requests that is the end, or nothing that was asked for."""
        # What TLS has decrypted already is in the socket no more.
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self._socket.close()


class _Connection(http.client.HTTPConnection):
    """A connection that is open, or was."""

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
    """One request and its response; the connection is kept if both sides left it open."""
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
            raise _Died(f"the connection ended: {error}") from error
        with response:
            reply = Reply(response.status, response.msg, _body(response))
        if response.will_close:
            connection.close()
    except BaseException:
        connection.close()
        raise
    _keep(peer, connection)
    return reply


def _body(response: http.client.HTTPResponse) -> bytes:
    """The whole body. http.client makes room at once for as much as a length says, of the body or of a chunk."""
    if response.length == 0:
        # Of a status that has no body; http.client waits for one that says that it has chunks.
        return b""
    is_open = response.length is None
    try:
        data = response.read(MOST_BYTES + 1) if is_open else b""
    except ValueError as error:
        # http.client takes a size below 0 for one.
        raise http.client.HTTPException("a chunk has no size") from error
    if max(len(data), response.length or 0) > MOST_BYTES:
        raise http.client.HTTPException(f"the response has more than {MOST_BYTES} bytes")
    return data if is_open else response.read()


def _opened(peer: _Peer, deadline: float) -> _Connection:
    scheme, host, port = peer
    connected = _connected(host, port, deadline)
    if scheme == "https":
        connected.settimeout(_left(deadline))
        connected = _context().wrap_socket(connected, server_hostname=host)
    return _Connection(host, port, connected)


def _connected(host: str, port: int, deadline: float) -> socket.socket:
    """A connection to the first address that answers; each has its share of the time that is left."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure = OSError(f"{host} has no address")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        connected = None
        try:
            # Fails for IPv6 where the machine has none.
            connected = socket.socket(family, kind, protocol)
            connected.settimeout(_left(deadline) / (len(addresses) - number))
            connected.connect(address)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connected
        except OSError as error:
            if connected:
                connected.close()
            failure = error
    raise failure


def _kept(peer: _Peer, idle_seconds: float) -> _Connection | None:
    """The connection to ``peer`` that was used last, if it can be used; the others are closed that cannot."""
    while True:
        try:
            # Other threads take connections too.
            since, connection = _idle[peer].pop()
        except LookupError:
            return None
        if time.time() - since <= idle_seconds and connection.limited.is_quiet():
            return connection
        connection.close()


def _keep(peer: _Peer, connection: _Connection) -> None:
    waiting = _idle.setdefault(peer, [])
    if connection.sock is not None and len(waiting) < MOST_IDLE:
        waiting.append((time.time(), connection))
    else:
        connection.close()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is over")
    return left


@cache
def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
