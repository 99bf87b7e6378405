"""A page of another site, open in a browser on this machine, cannot read or change the local cloud."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from playwright.sync_api import Browser, Page

from local.settings import AWS_PORT, FRONT_DOOR, HOST
from tests.browser.conftest import REBOUND
from tests.integration.foreign_requests import KEYS, created, foreign_requests
from tools.client import Shop, unique

# Sends each request with and without CORS, and returns what the page can read of the responses.
TRY = """
async (requests) => {
  const read = []
  for (const [method, url, headers, body] of requests) {
    for (const mode of ['cors', 'no-cors', 'same-origin']) {
      const content = ['GET', 'HEAD'].includes(method) ? undefined : body
      try {
        const answer = await fetch(url, {method, headers, body: content, mode, credentials: 'include'})
        read.push([mode, method, url, answer.type, answer.status, await answer.text()])
      } catch (error) {
        read.push([mode, method, url, 'error', 0, ''])
      }
    }
  }
  return read
}
"""


class Foreign(BaseHTTPRequestHandler):
    """Another site's server: an empty page."""

    protocol_version = "HTTP/1.1"
    page: ClassVar[bytes] = b"<!doctype html><title>Prizes</title>"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def foreign_port() -> Iterator[int]:
    with ThreadingHTTPServer((HOST, 0), Foreign) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    yield context.new_page()
    context.close()


def attempts(name: str, host: str, key: str) -> list[tuple[str, str, dict[str, str], str]]:
    """Requests that the page sends to the emulator, by a name that resolves to it, and to the front door."""
    emulator = f"http://{host}:{AWS_PORT}"
    requests = [
        (method, emulator + path, headers, body.decode()) for method, path, headers, body in foreign_requests(name, key)
    ]
    plain = {"Content-Type": "text/plain"}
    share = json.dumps({"share": 0.5})
    return [
        *requests,
        ("POST", f"{emulator}/_setpieces/faults", plain, "{}"),
        ("POST", f"{emulator}/_ministack/reset", plain, ""),
        ("GET", f"{emulator}/_setpieces/resources", {}, ""),
        ("GET", f"{emulator}/_ministack/ses/messages", {}, ""),
        ("GET", f"{emulator}/", {}, ""),
        ("PUT", f"{emulator}/{name}", plain, ""),
        ("POST", f"{FRONT_DOOR}/_front_door/reload", plain, ""),
        ("PUT", f"{FRONT_DOOR}/_front_door/throttles", plain, share),
    ]


@pytest.mark.parametrize("key", KEYS[:2])
@pytest.mark.parametrize(
    ("home", "target"),
    [(HOST, HOST), ("localhost", HOST), (HOST, "localhost"), (REBOUND, REBOUND), (REBOUND, HOST)],
    ids=["another port", "localhost", "to localhost", "DNS rebinding", "another site"],
)
def test_a_foreign_page_reads_nothing_and_creates_nothing(
    shop: Shop, page: Page, foreign_port: int, home: str, target: str, key: str
):
    name, buckets = unique("foreign"), shop.aws("s3").list_buckets()["Buckets"]
    page.goto(f"http://{home}:{foreign_port}/")
    responses = page.evaluate(TRY, attempts(name, target, key))
    assert responses
    assert [response for response in responses if response[5] or response[4]] == [], "the page has read a response"
    assert created(shop, name) == []
    assert shop.aws("s3").list_buckets()["Buckets"] == buckets


def test_a_page_at_a_rebound_name_of_the_emulators_port_is_not_served(page: Page):
    """After DNS rebinding the page's own origin is the emulator: no rule of the browser protects it any more."""
    response = page.goto(f"http://{REBOUND}:{AWS_PORT}/_ministack/health")
    assert response is not None
    assert response.status == 421
    status = page.evaluate("async () => (await fetch('/', {method: 'POST', body: 'Action=ListRoles'})).status")
    assert status == 421


def test_a_link_to_a_signed_file_still_works(shop: Shop, page: Page):
    """As the admin page's link to a voucher file: a page of the front door, a file at the emulator's port."""
    s3 = shop.aws("s3")
    bucket = s3.list_buckets()["Buckets"][0]["Name"]
    key = unique("file")
    s3.put_object(Bucket=bucket, Key=key, Body=b"content of the file", ContentType="text/plain")
    try:
        link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
        page.goto(f"{FRONT_DOOR}/")
        page.evaluate("link => { location.href = link }", link)
        page.wait_for_url(f"**/{key}?*")
        assert "content of the file" in page.content()
    finally:
        s3.delete_object(Bucket=bucket, Key=key)
