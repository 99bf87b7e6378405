"""Servers on loopback that misbehave as real ones do: they drip, hang, and close connections that clients keep."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
OK = HEAD % 2 + b"{}"
# A peer that drips is done after ten seconds. A call that waits for it gets an answer then, and its test fails.
DRIP_SECONDS, DRIPS = 0.05, 200


class Connection:
    """The peer's end of one connection."""

    def __init__(self, peer: "Peer", accepted: socket.socket, number: int) -> None:
        self.peer, self.socket, self.number = peer, accepted, number

    def read(self) -> None:
        """Read a request, which is noted. Raises ``ConnectionError`` at the end of the connection."""
        with self.socket.makefile("rb") as stream:
            head = stream.readline()
            if not head:
                raise ConnectionError
            length = 0
            while (line := stream.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            stream.read(length)
        self.peer.requests.append((self.number, head.split()[0].decode()))

    def respond(self, body: bytes = b"{}") -> None:
        self.read()
        self.socket.sendall(HEAD % len(body) + body)

    def drip(self, data: bytes) -> None:
        """Send ``data``, and spaces after it, byte by byte."""
        for byte in data.ljust(DRIPS):
            self.socket.sendall(bytes([byte]))
            self.peer.over.wait(DRIP_SECONDS)
        self._note_end()

    def hang(self) -> None:
        self.peer.over.wait(DRIPS * DRIP_SECONDS)
        self._note_end()

    def _note_end(self) -> None:
        if not self.peer.over.is_set():
            self.peer.was_waited_for = True

    def reset(self) -> None:
        """End the connection as a peer does that forgot it: with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Script = Callable[[Connection], None]


class Peer:
    """A server whose connections follow ``scripts`` in turn, and the last script from then on.

    ``requests`` are (number of the connection, method); ``was_waited_for`` says that a call was still there when a script that
    drips or hangs came to its end.
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.over = threading.Event()
        self.requests: list[tuple[int, str]] = []
        self.was_waited_for = False
        self._scripts, self._tls = scripts, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> "Peer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        number = 0
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(accepted, number), daemon=True).start()
                number += 1

    def _serve(self, accepted: socket.socket, number: int) -> None:
        script = self._scripts[min(number, len(self._scripts) - 1)]
        with contextlib.suppress(OSError):
            if self._tls:
                accepted = self._tls.wrap_socket(accepted, server_side=True)
            with accepted:
                script(Connection(self, accepted, number))


def certificate(path: Path) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + signed.public_bytes(Encoding.PEM)
    )
    return path
