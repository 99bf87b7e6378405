"""HTTP that is too large, too slow, cut off, ambiguous or none, at the front door: refused or hung up on, never a 5xx.

Raw sockets, because no library sends such things. A request smuggled behind another would show: as an answer too many, or as
what it would have done.
"""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

import pytest

from local.cloud.processes import FRONT_DOOR_PROCESS
from local.front_door import http_protocol
from local.settings import FRONT_DOOR_PORT, HOST
from tests.abuse.raw_http import HOST_LINE, PATIENCE, request, send, statuses
from tests.abuse.seed import LONG
from tools.client import Shop, eventually
from tools.drivers.customers import sign_in

PRODUCT = b"/catalog/v1/products/SP-10001"
SLOW_CONNECTIONS = 40 if LONG else 8
SMUGGLED = b"GET /healthz HTTP/1.1\r\n" + HOST_LINE + b"\r\n"


def login(*lines: bytes, body: bytes = b"{}") -> bytes:
    """A POST whose body is refused as soon as it is read."""
    return request(b"POST /login/v1/sessions", b"Content-Type: application/json", *lines, body=body)


CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"2\r\n{}\r\n0\r\n\r\n"
MEANT_TWICE = {
    "length and chunks": login(b"Content-Length: 4", CHUNKED, body=CHUNKS + SMUGGLED),
    "chunks and length": login(CHUNKED, b"Content-Length: 4", body=CHUNKS + SMUGGLED),
    "two lengths": login(b"Content-Length: 2", b"Content-Length: %d" % (2 + len(SMUGGLED)), body=b"{}" + SMUGGLED),
    "the same length twice": login(b"Content-Length: 2", b"Content-Length: 2", body=b"{}" + SMUGGLED),
    "a list of lengths": login(b"Content-Length: 2, 2", body=b"{}" + SMUGGLED),
    "a length with a sign": login(b"Content-Length: +2", body=b"{}" + SMUGGLED),
    "a length below zero": login(b"Content-Length: -1"),
    "a length in hex": login(b"Content-Length: 0x2"),
    "a length beyond counting": login(b"Content-Length: 99999999999999999999999999"),
    "chunks within gzip": login(b"Transfer-Encoding: gzip, chunked", body=CHUNKS),
    "chunks, and then identity": login(CHUNKED, b"Transfer-Encoding: identity", body=CHUNKS + SMUGGLED),
    "identity": login(b"Transfer-Encoding: identity"),
    "no such coding": login(b"Transfer-Encoding: xchunked", body=CHUNKS),
    "a blank before the colon": login(b"Transfer-Encoding : chunked", body=CHUNKS),
    "a coding that is folded": login(b"Transfer-Encoding:\r\n chunked", body=CHUNKS),
    "chunks in 1.0": request(b"POST /login/v1/sessions HTTP/1.0", CHUNKED, body=CHUNKS),
    "a chunk of no number": login(CHUNKED, body=b"zz\r\n{}\r\n0\r\n\r\n"),
    "a chunk below zero": login(CHUNKED, body=b"-2\r\n{}\r\n0\r\n\r\n"),
    "a chunk beyond counting": login(CHUNKED, body=b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
    "a chunk longer than its size": login(CHUNKED, body=b"1\r\n{}\r\n0\r\n\r\n"),
    "a chunk without its end": login(CHUNKED, body=b"2\r\n{}0\r\n\r\n" + SMUGGLED),
    "a line feed in an extension": login(CHUNKED, body=b'2;a="\n"\r\n{}\r\n0\r\n\r\n'),
}
NO_HTTP = {
    "TLS": bytes.fromhex("160301020001000001fc0303"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET " + PRODUCT + b"\r\n\r\n",
    "HTTP/0.9, said": request(b"GET " + PRODUCT + b" HTTP/0.9"),
    "HTTP/2.0, said": request(b"GET " + PRODUCT + b" HTTP/2.0"),
    "HTTP/9.9": request(b"GET " + PRODUCT + b" HTTP/9.9"),
    "no version": request(b"GET " + PRODUCT + b" HTTP/"),
    "no method": request(b" " + PRODUCT),
    "a method of no token": request(b"GE(T " + PRODUCT),
    "no such method": request(b"STEAL " + PRODUCT),
    "CONNECT": request(b"CONNECT evil.example:443"),
    "only line feeds": b"GET " + PRODUCT + b" HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n",
    "a folded line": request(b"GET " + PRODUCT, b"X-Correlation-Id: a\r\n b"),
    "a line without a name": request(b"GET " + PRODUCT, b": a"),
    "a line without a colon": request(b"GET " + PRODUCT, b"a"),
    "a blank in a name": request(b"GET " + PRODUCT, b"X A: b"),
    "a return in a value": request(b"GET " + PRODUCT, b"X-Correlation-Id: a\rSet-Cookie: b=c"),
    "a zero byte in a value": request(b"GET " + PRODUCT, b"X-Amzn-Trace-Id: a\x00b"),
    "a control character in a value": request(b"GET " + PRODUCT, b"X-Amzn-Trace-Id: a\x01b"),
    "a control character in a path": request(b"GET /catalog/v1/products/\x01"),
    "bytes in a path": request(b"GET /catalog/v1/products/\xff"),
    "bytes in a query": request(b"GET /catalog/v1/products?query=\xff"),
}
NO_HOST = {
    "none": request(b"GET " + PRODUCT, host=b""),
    "an empty one": request(b"GET " + PRODUCT, host=b"Host:\r\n"),
    "two": request(b"GET " + PRODUCT, b"Host: evil.example"),
    "the same twice": request(b"GET " + PRODUCT, HOST_LINE.strip()),
    "a foreign one": request(b"GET " + PRODUCT, host=b"Host: evil.example\r\n"),
    "one that begins well": request(b"GET " + PRODUCT, host=b"Host: 127.0.0.1.evil.example\r\n"),
    "one with a user": request(b"GET " + PRODUCT, host=b"Host: 127.0.0.1:80@evil.example\r\n"),
    "no name at all": request(b"GET " + PRODUCT, host=b'Host: a b"<script>\r\n'),
    "a port of letters": request(b"GET " + PRODUCT, host=b"Host: 127.0.0.1:a\r\n"),
    "a foreign one in the target": request(b"GET http://evil.example" + PRODUCT),
    "a user in the target": request(b"GET http://127.0.0.1@evil.example" + PRODUCT),
    "a target of a host only": request(b"GET http://evil.example"),
    "a target over TLS": request(b"GET https://evil.example" + PRODUCT),
}
TOO_LARGE = {
    "a header": request(b"GET " + PRODUCT, b"X-A: " + b"a" * 2_000_000),
    "a header's name": request(b"GET " + PRODUCT, b"a" * 2_000_000 + b": a"),
    "many headers": request(b"GET " + PRODUCT, *(b"X-%d: a" % number for number in range(20_000))),
    "a header a little": request(b"GET " + PRODUCT, b"X-A: " + b"a" * http_protocol.MAX_HEAD),
    "a query": request(b"GET " + PRODUCT + b"?" + b"a" * 200_000),
    "a path": request(b"GET " + PRODUCT + b"a" * 20_000),
    "a header to the CDN": request(b"GET /", b"Cookie: " + b"a" * 200_000),
    "no end of a line": b"G" * 2_000_000,
    "no end of a target": b"GET /" + b"a" * 2_000_000,
    "no end of headers": b"GET / HTTP/1.1\r\n" + b"X-A: a\r\n" * 200_000,
    "a body": login(b"Content-Length: 11000000", body=b" " * 11_000_000),
    "a body in chunks": login(CHUNKED, body=(b"10000\r\n" + b" " * 65_536 + b"\r\n") * 168 + b"0\r\n\r\n"),
}


# No client of these tests sends dot segments: libraries resolve them.
DOTS = (b".", b"..", b"%2e", b"%2E%2e", b".%2e", b"..;")
NAMED = (
    b"/catalog/v1/products/%s",
    b"/orders/v1/orders/%s/status",
    b"/vouchers/v1/vouchers/%s",
    b"/basket/v1/baskets/%s",
    b"/basket/v1/baskets/b-0123456789abcdef0123/items/%s",
    b"/products/%s",
    b"/orders/%s",
    b"/admin/vouchers/%s",
)


def refused(raw: bytes) -> list[int]:
    """Return the status of the one response, if any, to an invalid request."""
    codes = statuses(send(raw))
    assert len(codes) <= 1, codes
    assert all(400 <= status < 500 for status in codes), codes
    return codes


@pytest.fixture(autouse=True)
def _the_same_process_serves_on() -> Iterator[None]:
    """After every request the process serves the next one and has logged no traceback."""
    before, faults = FRONT_DOOR_PROCESS.pid(), FRONT_DOOR_PROCESS.log_file.read_text().count("Traceback")
    yield
    assert statuses(send(request(b"GET /healthz"))) == [200]
    assert FRONT_DOOR_PROCESS.log_file.read_text().count("Traceback") == faults
    assert before
    assert FRONT_DOOR_PROCESS.pid() == before


@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in MEANT_TWICE.items()])
def test_a_body_of_ambiguous_length_is_refused(raw: bytes):
    refused(raw)


@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in NO_HTTP.items()])
def test_malformed_http_is_refused(raw: bytes):
    refused(raw)


@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in NO_HOST.items()])
def test_another_host_is_refused(raw: bytes):
    assert refused(raw) in ([400], [421])


@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in TOO_LARGE.items()])
def test_an_oversized_request_is_refused(raw: bytes):
    assert refused(raw) in ([], [400], [413], [431])


@pytest.mark.parametrize("dots", DOTS)
@pytest.mark.parametrize("path", NAMED)
def test_dots_name_nothing(path: bytes, dots: bytes):
    assert refused(request(b"GET " + path % dots))


def test_the_largest_head_for_api_gateway_is_accepted():
    room = http_protocol.MAX_HEAD - 1_000
    assert statuses(send(request(b"GET " + PRODUCT, b"X-A: " + b"a" * room))) == [200]


def test_an_upgrade_header_is_ignored():
    websocket = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13")
    for lines in ((*websocket, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), (b"Upgrade: h2c",)):
        assert statuses(send(request(b"GET " + PRODUCT, *lines))) == [200]


def test_pipelined_requests_are_answered_in_order():
    one = b"GET %s HTTP/1.1\r\n" % PRODUCT + HOST_LINE + b"\r\n"
    nowhere = b"GET /catalog/v1/nowhere HTTP/1.1\r\n" + HOST_LINE + b"\r\n"
    assert statuses(send(one + nowhere + one + request(b"GET /healthz"))) == [200, 404, 200, 200]


def test_a_malformed_pipelined_request_gets_no_response():
    """The client would read it as the response to the request before."""
    one = b"GET %s HTTP/1.1\r\n" % PRODUCT + HOST_LINE + b"\r\n"
    assert statuses(send(one + b"\x00\x00\r\n\r\n")) in ([], [200])


def test_a_request_within_a_body_is_not_served():
    length = b"Content-Length: %d" % len(SMUGGLED)
    assert statuses(send(request(b"GET " + PRODUCT, length, body=SMUGGLED))) == [200]
    assert statuses(send(login(length, body=SMUGGLED))) == [400]
    assert statuses(send(request(b"GET " + PRODUCT, body=SMUGGLED))) == [200]


def test_trailers_of_a_chunked_body_are_not_headers(shop: Shop):
    """No proxy has checked the fields after the body; a second Host there would be ambiguous."""
    person = shop.samples["customer"]
    token = sign_in(shop, person["email"], person["password"])
    trailers = b"".join(
        b"%s: %s\r\n" % trailer
        for trailer in (
            (b"Authorization", b"Bearer " + token.encode()),
            (b"Host", b"evil.example"),
            (b"X-Forwarded-For", b"10.0.0.1"),
        )
    )
    head = request(b"DELETE /login/v1/sessions/current", CHUNKED, b"Trailer: Authorization")
    assert statuses(send(head + b"2\r\n{}\r\n0\r\n" + trailers + b"\r\n")) == [401]
    ended = shop.call("DELETE", "/login/v1/sessions/current", headers={"Authorization": f"Bearer {token}"})
    assert ended.status_code == 204


@pytest.mark.parametrize("target", ["%0d%0aSet-Cookie:%20a=b", "%0aSet-Cookie:a=b", "%E5%98%8D%E5%98%8ASet-Cookie:a=b"])
@pytest.mark.parametrize(
    "path",
    [
        "/%s",
        "/p/%s",
        "/sale?utm_source=%s",
        "/catalog/v1/products/%s",
        "/catalog/v1/products?query=%s",
        "/basket/v1/baskets/%s",
    ],
)
def test_a_line_break_in_an_address_adds_no_response_header(path: str, target: str):
    received = send(request(b"GET " + (path % target).encode()))
    (status,) = statuses(received)
    assert status < 500
    assert b"set-cookie: a=b" not in received.partition(b"\r\n\r\n")[0].lower()
    assert b"\nset-cookie" not in received.lower()


# --- time ---


def outlasted(head: bytes, rest: bytes) -> list[int]:
    """Send a request byte by byte and return the statuses with which the front door ends it."""
    deadline, received = time.monotonic() + PATIENCE, b""
    with socket.create_connection((HOST, FRONT_DOOR_PORT), timeout=0.25) as connection:
        with suppress(ConnectionError):
            connection.sendall(head)
            for index in range(len(rest)):
                with suppress(TimeoutError):
                    while chunk := connection.recv(65_536):
                        received += chunk
                    return statuses(received)
                assert time.monotonic() < deadline, f"still taken after {PATIENCE} s"
                connection.sendall(rest[index : index + 1])
        return statuses(received)


SLOW = {
    "a head": (b"GET " + PRODUCT + b" HTTP/1.1\r\nX-A: ", b"a" * 1_000, [408]),
    "a body": (login(b"Content-Length: 1000", body=b'{"email": "'), b"a" * 989, [408]),
    "a body in chunks": (login(CHUNKED, body=b""), b"1\r\n \r\n" * 300, [408]),
    "a body to the CDN": (request(b"POST /", b"Content-Length: 1000"), b"a" * 1_000, [408]),
    "nothing but line ends": (b"\r\n", b"\r\n" * 500, []),
}


def test_a_slow_client_is_disconnected_and_delays_no_other():
    slow = [SLOW[name] for name in SLOW for _ in range(max(1, SLOW_CONNECTIONS // len(SLOW)))]
    with ThreadPoolExecutor(len(slow)) as connections:
        ends = [connections.submit(outlasted, head, rest) for head, rest, _ in slow]
        served = 0
        while wait(ends, timeout=0.5).not_done:
            served += eventually(lambda: statuses(send(request(b"GET " + PRODUCT))) == [200])
    assert served
    assert [end.result() for end in ends] == [expected for *_, expected in slow]


@pytest.mark.parametrize(
    "raw", [login(b"Content-Length: 200"), login(CHUNKED, body=b"5\r\n{"), b"GET / HTTP/1.1\r\nHos"]
)
def test_an_incomplete_request_is_disconnected(raw: bytes):
    """The client closes its sending side, or the connection."""
    with socket.create_connection((HOST, FRONT_DOOR_PORT), timeout=PATIENCE) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        assert all(status < 500 for status in statuses(connection.recv(65_536)))
    with socket.create_connection((HOST, FRONT_DOOR_PORT), timeout=PATIENCE) as connection:
        connection.sendall(raw)
    assert statuses(send(request(b"GET " + PRODUCT))) == [200]
