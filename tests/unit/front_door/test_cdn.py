"""Requests to the CDN and its responses."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from apigw_executor.ports import EndpointDown
from local.credentials import TOKEN_HEADER
from local.front_door import cdn


class Cdn(BaseHTTPRequestHandler):
    """Answers anything, and remembers it."""

    protocol_version = "HTTP/1.1"
    requests: ClassVar[list[tuple[str, dict[str, str], bytes]]] = []
    location: ClassVar[str] = ""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.requests.append((self.requestline, {name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(200)
        for name, value in (
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("Connection", "close"),
            ("Content-Length", "2"),
            *((("Location", self.location),) if self.location else ()),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    Cdn.requests.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Cdn) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("target", ["/", "/a/../b//c", "/%2f%2E%2e/x?a=%41&a=b%20c&&d", "/a%zz", "/caf\u00e9"])
def test_a_path_is_sent_unchanged(endpoint: str, target: str):
    cdn.fetch(endpoint, "token", "d1.cloudfront.net", "GET", target, (), b"")
    [(line, _, _)] = Cdn.requests
    assert line == f"GET {target.replace(chr(233), '%E9')} HTTP/1.1"


def test_the_cdn_receives_its_domain_name_and_the_protocol_https(endpoint: str):
    request_headers = (
        *(("Host", "127.0.0.1:8080"), ("X-Forwarded-Proto", "http"), ("Connection", "close"), ("Accept", "text/html")),
        (TOKEN_HEADER.title(), "a client's"),
    )
    response = cdn.fetch(endpoint, "token", "d1.cloudfront.net", "POST", "/form", request_headers, b"a=b")
    [(_, headers, body)] = Cdn.requests
    assert (headers["host"], headers["x-forwarded-proto"], headers["accept"]) == (
        "d1.cloudfront.net",
        "https",
        "text/html",
    )
    assert headers[TOKEN_HEADER] == "token"
    assert "connection" not in headers
    assert body == b"a=b"
    assert [value for name, value in response.headers if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert not {"connection", "content-length", "date", "server"} & {name.lower() for name, _ in response.headers}


@pytest.mark.parametrize(
    ("origin", "site_origin"),
    [
        ("http://127.0.0.1:8080", "https://d1.cloudfront.net"),
        ("https://d1.cloudfront.net", "null"),
        ("http://D1.cloudfront.net", "null"),
        ("https://127.0.0.1:8080", "https://127.0.0.1:8080"),
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("https://d1.cloudfront.net.evil.example", "https://d1.cloudfront.net.evil.example"),
        ("null", "null"),
        ("http://[", "http://["),
    ],
)
def test_pages_of_the_front_door_have_the_origin_of_the_site(endpoint: str, origin: str, site_origin: str):
    request_headers = (("Host", "127.0.0.1:8080"), ("Origin", origin))
    cdn.fetch(endpoint, "token", "d1.cloudfront.net", "POST", "/form", request_headers, b"a=b")
    assert Cdn.requests[0][1]["origin"] == site_origin


@pytest.mark.parametrize(
    ("location", "at_the_front_door"),
    [
        ("http://d1.cloudfront.net/products?a=b", "http://127.0.0.1:8080/products?a=b"),
        ("https://D1.cloudfront.net", "http://127.0.0.1:8080"),
        ("/products", "/products"),
        ("https://d1.cloudfront.net.evil.example/", "https://d1.cloudfront.net.evil.example/"),
        ("https://d1.cloudfront.net:81/", "https://d1.cloudfront.net:81/"),
        (
            "https://www.example.com/?to=https://d1.cloudfront.net/",
            "https://www.example.com/?to=https://d1.cloudfront.net/",
        ),
    ],
)
def test_a_redirect_within_the_site_stays_at_the_front_door(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, location: str, at_the_front_door: str
):
    monkeypatch.setattr(Cdn, "location", location)
    response = cdn.fetch(
        endpoint, "token", "d1.cloudfront.net", "GET", "/products/", (("Host", "127.0.0.1:8080"),), b""
    )
    assert dict(response.headers)["Location"] == at_the_front_door


def test_an_unreachable_cloud_is_reported():
    with pytest.raises(EndpointDown):
        cdn.fetch("http://127.0.0.1:1", "token", "d1.cloudfront.net", "GET", "/", (), b"")


def test_the_cdn_is_found_by_its_published_parameter():
    def parameter(name: str, value: str) -> dict[str, Any]:
        return {"type": "AWS::SSM::Parameter", "properties": {"Name": name, "Value": value}}

    resources: list[dict[str, Any]] = [
        {"type": "AWS::S3::Bucket", "properties": {}},
        parameter("/setpieces/dev/edge/distribution-domain", "other.cloudfront.net"),
        parameter("/setpieces/local/edge/distribution-domain", "d1.cloudfront.net"),
    ]
    assert cdn.distribution(resources, "local") == "d1.cloudfront.net"
    assert cdn.distribution(resources[:2], "local") == ""
