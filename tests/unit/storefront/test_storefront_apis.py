"""API calls: each has one deadline, and responses of newer versions are parsed like those of this version."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from app import admin_pages, apis
from app.apis import ApiError, Apis
from tests.unit.common.newer import newer_json
from tests.unit.common.peers import HEAD, Connection, Peer
from tests.unit.storefront_app import Browser, problem

PRODUCT = {
    "sku": "SP-1",
    "name": "Tower",
    "description": "High",
    "category": "towers",
    "unit_price": 1999,
    "currency": "EUR",
    "available": True,
}
TOTALS = {"lines": 1, "quantity": 1, "amount": 1999, "currency": "EUR"}
ORDER = {"order_number": "T100000001", "status": "Complete", "updated_at": "2026-01-01T12:00:00Z"}
QUEUE = {"name": "q", "waiting": 1, "in_work": 0, "delayed": 0, "dead_letters": False}
ROUTE = {"event": "CHECKOUT/ORDER/SUBMIT", "to": "payments", "queue": "q"}
EVENT = {
    "event": "CHECKOUT/ORDER/SUBMIT",
    "source": "orders",
    "correlation_id": "c",
    "occurred_at": "2026-01-01T12:00:00.500+00:00",
}
# By service and path prefix, the longest first.
RESPONSES: dict[tuple[str, str], dict[str, Any]] = {
    ("login", "sessions"): {
        "session_token": "t",
        "expires_at": "2099-01-01T00:00:00Z",
        "roles": ["admin"],
        "customer_id": "C1",
    },
    ("catalog", "products/"): PRODUCT,
    ("catalog", "products"): {"items": [PRODUCT], "next_page_token": "n"},
    ("basket", "baskets/"): {
        "basket_id": "b" * 32,
        "version": 1,
        "items": [{"sku": "SP-1", "quantity": 1, "unit_price": 1999}],
        "totals": TOTALS,
    },
    ("customers", "customers/C1/profile"): {"name": "Ada", "addresses": [{"name": "Ada", "city": "Berlin"}]},
    ("customers", "customers/C1/rewards"): {"points": 5, "tier": "gold"},
    ("orders", "orders/"): ORDER,
    ("orders", "orders"): {"items": [ORDER | {"amount": 1999, "currency": "EUR"}], "next_page_token": "T1"},
    ("vouchers", "voucher-batches/"): {
        "batch_id": "b",
        "campaign": "Spring",
        "status": "COMPLETE",
        "count": 5,
        "generated": 5,
        "download": {"url": "https://files.example/f", "expires_at": "2026-01-01T13:00:00Z"},
    },
    ("feeds", "feeds/"): {
        "feed_id": "f",
        "status": "COMPLETE",
        "received": 3,
        "errors": [{"url": "https://files.example/e", "key": "e"}],
    },
    ("operations", "architecture"): {
        "as_of": "2026-01-01T12:00:00Z",
        "services": [{"name": "orders", "description": "d", "tells": [ROUTE], "queues": [QUEUE]}],
    },
    ("operations", "events"): {"events": [EVENT | {"data": {"order_number": "T100000001"}}]},
}
PAGES = (
    "/",
    "/products",
    "/products/SP-1",
    "/basket",
    "/checkout",
    "/account",
    "/orders/T100000001",
    "/admin/vouchers/b",
    "/admin/vouchers/b/status",
    "/admin/feeds/product/f",
    "/admin/architecture",
)


def page(path: str, *, is_newer: bool) -> httpx.Response:
    """A page for an admin who is a customer and has a basket."""

    def api(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1/")
        for (service, prefix), body in RESPONSES.items():
            if request.url.host == service and path.startswith(prefix):
                return httpx.Response(200, json=newer_json(body) if is_newer else body)
        return problem(404, "NOT_FOUND")

    browser = Browser(api)
    assert browser.post("/sign-in", {"email": "ada@example.com", "password": "p"}).status_code == 303
    browser.cookies.set("__Host-basket", "b" * 32)
    return browser.get(path)


@pytest.mark.parametrize("path", PAGES)
def test_pages_ignore_fields_of_newer_apis(monkeypatch: pytest.MonkeyPatch, path: str):
    monkeypatch.setattr("secrets.token_urlsafe", lambda _: "r" * 43)
    today, tomorrow = page(path, is_newer=False), page(path, is_newer=True)
    assert (today.status_code, tomorrow.status_code) == (200, 200)
    assert today.text == tomorrow.text


def test_errors_of_newer_apis_are_parsed():
    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(409, json=newer_json({"code": "CODE", "detail": "message", "status": 409}))

    api = Apis({"basket": "http://apis.example"}, transport=httpx.MockTransport(refuse))
    with pytest.raises(ApiError) as refused:
        asyncio.run(api.call("basket", "GET", "baskets/b"))
    assert (refused.value.code, refused.value.detail) == ("CODE", "message")


# --- deadlines ---


def drip_head(connection: Connection) -> None:
    connection.read()
    connection.drip(HEAD % 2 + b"{}")


def drip_body(connection: Connection) -> None:
    connection.read()
    connection.socket.sendall(HEAD % 200)
    connection.drip(json.dumps({}).encode())


@pytest.mark.parametrize("script", [drip_head, drip_body])
def test_call_ends_at_its_deadline_if_the_response_trickles(monkeypatch: pytest.MonkeyPatch, script: Any):
    monkeypatch.setattr(apis, "TOTAL_SECONDS", 0.3)
    with Peer(script) as peer:
        with pytest.raises(ApiError) as refused:
            asyncio.run(Apis({"basket": peer.url}).call("basket", "GET", "baskets/b"))
        assert not peer.was_waited_for
    assert (refused.value.status, refused.value.code) == (503, "UNREACHABLE")


def test_upload_ends_at_its_deadline_if_the_response_trickles(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(admin_pages, "UPLOAD_SECONDS", 0.3)
    with Peer(drip_head) as peer:
        upload = {"method": "PUT", "url": peer.url, "headers": {}}

        def api(request: httpx.Request) -> httpx.Response:
            if request.url.host == "login":
                return httpx.Response(201, json=RESPONSES["login", "sessions"])
            return httpx.Response(201, json={"feed_id": "f", "upload": upload})

        browser = Browser(api)
        browser.post("/sign-in", {"email": "ada@example.com", "password": "p"})
        boundary = {"Content-Type": "multipart/form-data; boundary=b"}
        file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n{}\r\n'
        kind = b'--b\r\nContent-Disposition: form-data; name="type"\r\n\r\nproduct\r\n--b--\r\n'
        response = browser.send("POST", "/admin/feeds", file + kind, boundary)
        assert not peer.was_waited_for
    assert response.status_code == 503
