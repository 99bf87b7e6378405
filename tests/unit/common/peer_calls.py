"""Calls to the peers of ``peers.py``, and how these behave: what the tests of calls share."""

import ssl
from pathlib import Path
from typing import Any

from setpieces import external
from tests.unit.common.peers import Connection, Peer, certificate


def call(peer: Peer, method: str = "GET", *, timeout: float = 5.0, **options: Any) -> external.Answer:
    return external.call("tax", method, "rates", timeout=timeout, base_url=lambda _: peer.url, **options)


def hang_before_reading(connection: Connection) -> None:
    connection.hang()
    connection.respond()


def keep_answering(connection: Connection) -> None:
    while True:
        connection.respond()


def forget_after_one(connection: Connection) -> None:
    """Close the connection as if the FIN had been lost: the client finds out with its next request."""
    connection.respond()
    connection.read()
    connection.reset()


def tls_contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    path = certificate(folder / "peer.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))
