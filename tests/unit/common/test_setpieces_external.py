"""Calls to external systems under a deadline, against a real server on loopback."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from botocore.credentials import Credentials

from setpieces import signing
from setpieces.errors import ExternalUnavailable
from setpieces.external import call


class _System(BaseHTTPRequestHandler):
    """Answers with the status that the path names; ``/hang`` answers nothing until the test is over."""

    release = threading.Event()
    paths: list[str] = []  # noqa: RUF012 - shared on purpose

    authorizations: list[str] = []  # noqa: RUF012 - shared on purpose

    def do_GET(self) -> None:
        self.authorizations.append(self.headers.get("Authorization", ""))
        self.paths.append(self.path)
        if self.path.startswith("/hang"):
            self.release.wait(10)
            return
        status = int(self.path.rpartition("/")[2]) if self.path.rpartition("/")[2].isdigit() else 200
        body = b"<html>" if self.path.startswith("/html") else json.dumps({"path": self.path}).encode()
        self.send_response(status)
        self.send_header("Retry-After", "9")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _System)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    _System.release.set()
    server.shutdown()


def get(base: str, *path: str, timeout: float = 2.0, query: dict[str, str] | None = None):
    return call("commerce", "GET", *path, timeout=timeout, query=query, base_url=lambda system: base)


def test_an_answer_is_decoded(base):
    assert get(base, "products", "A-1").body == {"path": "/products/A-1"}


@pytest.mark.parametrize("segment", ["../admin", "a/b", "a?x=1", "a#b", "a b", "ü", "%2e%2e"])
def test_a_segment_never_changes_the_path(base, segment):
    get(base, "products", segment)
    received = _System.paths[-1]
    assert received.startswith("/products/")
    assert received.count("/") == 2
    assert "?" not in received


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_a_segment_that_would_be_resolved_is_404_without_a_call(base, segment):
    before = len(_System.paths)
    assert get(base, "products", segment).status == 404
    assert get(base, "customers", segment, "syncs").status == 404
    assert len(_System.paths) == before


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_a_client_error_is_an_answer(base, status):
    assert get(base, str(status)).status == status


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_broken_system_is_unavailable(base, status):
    with pytest.raises(ExternalUnavailable) as failure:
        get(base, str(status))
    assert failure.value.retry_after == 9


def test_a_call_of_an_unresponsive_system_times_out(base):
    with pytest.raises(ExternalUnavailable) as failure:
        get(base, "hang", timeout=0.2)
    assert failure.value.timed_out


def test_no_time_left_means_no_call(base):
    before = len(_System.paths)
    with pytest.raises(ExternalUnavailable):
        get(base, "x", timeout=0)
    assert len(_System.paths) == before


def test_a_refused_connection_is_unavailable():
    with pytest.raises(ExternalUnavailable):
        get("http://127.0.0.1:9", "x")


def test_html_is_no_answer(base):
    with pytest.raises(ExternalUnavailable):
        get(base, "html")


@pytest.mark.parametrize(("ending", "signed"), [("", False), ("#sign", True)])
def test_only_a_url_that_ends_in_sign_is_signed(base, monkeypatch, ending, signed):
    session = SimpleNamespace(get_credentials=lambda: Credentials("id", "secret"), region_name="eu-central-1")
    monkeypatch.setattr(signing, "_session", lambda: session)
    assert get(base + ending, "products", "A-1").body == {"path": "/products/A-1"}
    assert _System.authorizations[-1].startswith("AWS4-HMAC-SHA256 Credential=id/") is signed


def test_a_query_is_written_as_a_signature_counts_it(base):
    get(base, "products", query={"query": "Großer Turm+1/2"})
    assert _System.paths[-1] == "/products?query=Gro%C3%9Fer%20Turm%2B1%2F2"
