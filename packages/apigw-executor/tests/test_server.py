"""The server of a `Gateway`: requests that are not HTTP, clients that break off, headers that HTTP cannot send."""

from __future__ import annotations

import logging
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from botocore.credentials import Credentials
from gateway_fakes import HANG

from apigw_executor import Gateway, Server

TEMPLATE = "#set($context.responseOverride.header.X-Name = $input.params('name'))$input.params('name')"
INTEGRATION = {
    "type": "mock",
    "requestTemplates": {"application/json": '{"statusCode": 200}'},
    "responses": {"default": {"statusCode": 200, "responseTemplates": {"application/json": TEMPLATE}}},
}
DOCUMENT = {
    "openapi": "3.0.1",
    "paths": {"/a": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": INTEGRATION}}},
}
REFUSED = b'{"message":"Bad Request"}'


@pytest.fixture
def server() -> Iterator[Server]:
    gateway = Gateway.from_document(
        DOCUMENT, endpoint="http://127.0.0.1:1", region="eu-central-1", credentials=Credentials("test", "test")
    )
    with Server(gateway, port=0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def exchange(server: Server, request: bytes) -> bytes:
    """All that the server sends after `request`, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=HANG) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def post(*headers: str) -> bytes:
    return "\r\n".join(["POST /a?name=n HTTP/1.1", "Host: x", *headers, "", ""]).encode("latin-1") + b"{}"


@pytest.mark.parametrize("length", ["-1", "+2", "0x2", "1_0", "", "2, 2", "2;2", "\u00b2", "9" * 5000])
def test_a_content_length_that_is_not_a_number_is_refused(server: Server, length: str) -> None:
    response = exchange(server, post(f"Content-Length: {length}"))
    assert response.startswith(b"HTTP/1.1 400 ")
    assert response.endswith(REFUSED)


@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 2", "Content-Length: 30"],
        ["Content-Length: 2", "Transfer-Encoding : chunked"],
        ["Content-Length: 2", "X: 1\r\n 2"],
        ["Content-Length: 2", "no colon"],
        ["Content-Length: 30"],
    ],
    ids=["two lengths", "space after the name", "folded line", "no colon", "body shorter than its length"],
)
def test_a_request_with_two_readings_is_refused(server: Server, headers: list[str]) -> None:
    response = exchange(server, post(*headers) + b"GET /a HTTP/1.1\r\n\r\n")
    assert response.startswith(b"HTTP/1.1 400 ")
    assert response.endswith(REFUSED)
    assert response.count(b"HTTP/1.1 ") == 1


def test_a_length_may_be_repeated(server: Server) -> None:
    assert exchange(server, post("Content-Length: 2", "Content-Length: 2")).startswith(b"HTTP/1.1 200 ")


def test_characters_that_a_header_cannot_have_are_replaced(server: Server) -> None:
    response = exchange(server, b"GET /a?name=%E6%BC%A2%C3%A9 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"\r\nX-Name: ?\xe9\r\n" in response
    assert response.endswith("漢é".encode())


def test_a_client_that_breaks_off_is_no_error(
    server: Server, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            connection = socket.create_connection(("127.0.0.1", server.server_port))
            # Closing sends a reset, so that the server's next write fails.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(post("Content-Length: 2") * 20)
            connection.close()
        assert exchange(server, post("Content-Length: 2")).startswith(b"HTTP/1.1 200 ")
    assert not caplog.records
    assert not capsys.readouterr().err
