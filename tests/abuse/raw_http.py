"""Raw HTTP requests and the front door's responses."""

import re
import socket
from contextlib import suppress

from local.settings import FRONT_DOOR_PORT, HOST

HOST_LINE = b"Host: %s:%d\r\n" % (HOST.encode(), FRONT_DOOR_PORT)

# For a connection: more than the front door gives the slowest part of a request.
PATIENCE = 120


def request(head: bytes, *lines: bytes, body: bytes = b"", host: bytes = HOST_LINE) -> bytes:
    """``head`` is the request line without its version if that is 1.1."""
    line = head if b"HTTP/" in head else head + b" HTTP/1.1"
    return line + b"\r\n" + host + b"".join(one + b"\r\n" for one in (*lines, b"Connection: close")) + b"\r\n" + body


def send(raw: bytes) -> bytes:
    """Return all bytes until the connection closes; b"" if it is reset. Fails if it stays open."""
    with socket.create_connection((HOST, FRONT_DOOR_PORT), timeout=PATIENCE) as connection:
        received = b""
        # A server that refuses a request early may close the connection while the client still sends.
        with suppress(ConnectionError):
            connection.sendall(raw)
        with suppress(ConnectionError):
            while chunk := connection.recv(65_536):
                received += chunk
        return received


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]
