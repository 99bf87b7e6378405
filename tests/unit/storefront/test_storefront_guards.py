"""Middleware of all pages: security headers, limits on forms and bodies, host-only cookies."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.routing import Route

from app.guards import SECURITY, BodyLimit
from app.main import MAX_BODY_BYTES, MAX_FORM_BYTES, ROUTES
from app.messages import MESSAGES
from app.pages import MAX_FIELD_BYTES, MAX_FIELDS
from tests.unit.storefront_app import HTTP, HTTPS, Browser, problem

SIGNED_IN = {"session_token": "t", "expires_at": "2099-01-01T00:00:00Z", "roles": ["admin"], "customer_id": "C1"}
FORMS = [
    (route.path.replace("{sku}", "SP-1"), MAX_BODY_BYTES.get(route.path, MAX_FORM_BYTES))
    for route in ROUTES
    if isinstance(route, Route) and "POST" in (route.methods or ()) and route.path != "/sign-out"
]


def api(request: httpx.Request) -> httpx.Response:
    match request.url.host:
        case "login":
            return httpx.Response(201, json=SIGNED_IN)
        case "orders":
            return httpx.Response(200, json={"order_number": "T100000001", "status": "Complete"})
        case "catalog":
            raise RuntimeError("a defect")
        case _:
            return problem(404, "NOT_FOUND")


class Calls:
    """Fake APIs that find nothing; records the requests."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return problem(404, "NOT_FOUND")


def signed_in() -> Browser:
    client = Browser(api)
    assert client.post("/sign-in", {"email": "a@example.com", "password": "p"}).status_code == 303
    return client


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/basket", 200),
        ("/account", 303),
        ("/orders/T100000001/status", 200),
        ("/static/style.css", 200),
        ("/static/none.css", 404),
        ("/pictures/SP-1.svg", 200),
        ("/healthz", 200),
        ("/none", 404),
        ("/products", 500),
    ],
)
def test_all_responses_have_the_security_headers(path: str, status: int):
    response = Browser(api).get(path)
    assert response.status_code == status
    own = {"Content-Security-Policy": "default-src 'none'"} if path.startswith("/pictures") else {}
    for name, value in (SECURITY | own).items():
        assert response.headers.get_list(name) == [value], name


def test_cross_site_form_is_403_with_security_headers():
    response = Browser(api).post("/sign-out", None, **{"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403
    assert response.headers["content-security-policy"] == SECURITY["Content-Security-Policy"]


def multipart(fields: list[tuple[str, str]]) -> tuple[bytes, dict[str, str]]:
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields
    )
    return f"{parts}--b--\r\n".encode(), {"Content-Type": "multipart/form-data; boundary=b"}


def urlencoded(fields: list[tuple[str, str]]) -> tuple[bytes, dict[str, str]]:
    body = "&".join(f"{name}={value}" for name, value in fields)
    return body.encode(), {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    "fields",
    [[(f"f{number}", "v") for number in range(MAX_FIELDS + 1)], [("name", "v" * (MAX_FIELD_BYTES + 1))]],
    ids=["too many fields", "too long a field"],
)
@pytest.mark.parametrize("encoded", [urlencoded, multipart])
@pytest.mark.parametrize("path", [path for path, _ in FORMS if path != "/checkout"])
def test_form_over_the_field_limits_is_400(path: str, encoded: Any, fields: list[tuple[str, str]]):
    assert signed_in().send("POST", path, *encoded(fields)).status_code == 400


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
@pytest.mark.parametrize("path", [path for path, _ in FORMS])
def test_content_that_is_no_form_is_415_and_reaches_no_api(path: str, content_type: str | None):
    client, calls = signed_in(), Calls()
    client._api = calls
    client.cookies.set("__Host-basket", "b" * 32)
    headers = {"Content-Type": content_type} if content_type else {}
    assert client.send("POST", path, b'{"quantity": 0}', headers).status_code == 415
    assert calls.requests == []


@pytest.mark.parametrize("path", [path for path, _ in FORMS])
def test_form_in_another_charset_is_400_and_reaches_no_api(path: str):
    client, calls = signed_in(), Calls()
    client._api = calls
    client.cookies.set("__Host-basket", "b" * 32)
    body, headers = multipart([("quantity", "0")])
    headers["Content-Type"] += "; charset=unicode_escape"
    assert client.send("POST", path, body, headers).status_code == 400
    assert calls.requests == []


def test_signing_out_needs_no_content():
    client = signed_in()
    assert client.send("POST", "/sign-out").status_code == 303
    assert "__Host-session" not in client.cookies


@pytest.mark.parametrize(("path", "max_bytes"), FORMS)
def test_body_with_too_large_content_length_is_not_read(path: str, max_bytes: int):
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"a=b"

    headers = urlencoded([])[1] | {"Content-Length": str(max_bytes + 1)}
    assert signed_in().send("POST", path, body(), headers).status_code == 413
    assert read == 0


@pytest.mark.parametrize(("path", "max_bytes"), FORMS)
def test_endless_body_is_read_up_to_the_limit(path: str, max_bytes: int):
    """Sends file parts one after another, so that no other limit applies."""
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        while read <= 2 * max_bytes:
            read += 2**16
            yield bytes(2**16)

    headers = multipart([])[1]
    response = signed_in().send("POST", path, body(), headers)
    # Forms other than the feed form accept no file.
    assert response.status_code in (400, 413)
    assert read <= max_bytes + 2**17


def test_feed_form_accepts_a_large_file():
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + bytes(2**20) + b"\r\n"
    fields, headers = multipart([("type", "none")])
    assert "one of the types" in signed_in().send("POST", "/admin/feeds", file + fields, headers).text


@pytest.mark.parametrize(
    "text",
    ["\u00b2", "\u0663", "-1", "\u2460", "9" * 5000, "9" * MAX_FIELD_BYTES, "\u00e9", " 1 ", "a\r\nb: c", "\x00", ""],
)
@pytest.mark.parametrize("path", [path for path, _ in FORMS])
def test_invalid_form_values_never_cause_a_server_error(path: str, text: str):
    """Browsers validate the shop's forms; other clients may send any values."""
    client = signed_in()

    def api(request: httpx.Request) -> httpx.Response:
        assert all(value.isascii() and value.isprintable() for value in request.headers.values())
        return problem(400, "INVALID_REQUEST")

    client._api = api
    client.cookies.set("__Host-basket", "b" * 32)
    names = [
        *("quantity", "form", "key", "version", "name", "email", "count", "value", "sku", "next", "token", "notify"),
        *("voucher", "confirmation", "card", "country"),
    ]
    assert client.post(path, dict.fromkeys(names, text)).status_code < 500
    assert client.post(path, dict.fromkeys(names, "1") | {"quantity": text}).status_code < 500


PAGES = [
    route.path.replace("{sku}", "SP-1").replace("{number}", "T100000001").replace("{batch_id}", "VB1")
    for route in ROUTES
    if isinstance(route, Route) and "GET" in (route.methods or ()) and route.path != "/" and "{type}" not in route.path
]


@pytest.mark.parametrize("slashes", ["/", "//"])
@pytest.mark.parametrize("path", PAGES)
def test_trailing_slash_of_a_page_redirects_within_the_site(path: str, slashes: str):
    calls = Calls()
    response = Browser(calls).get(f"{path}{slashes}?query=a%20b", Host="cdn.example")
    assert (response.status_code, response.headers["location"]) == (308, f"{path}?query=a%20b")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-security-policy"]
    assert calls.requests == []


@pytest.mark.parametrize("path", [path for path, _ in FORMS])
def test_form_with_a_trailing_slash_is_sent_nowhere(path: str):
    calls = Calls()
    client = Browser(calls)
    response = client.post(f"{path}/", {"email": "ada@example.com", "password": "secret"})
    assert response.status_code == 404
    assert "location" not in response.headers
    assert calls.requests == []


@pytest.mark.parametrize(
    "path",
    ["//evil.example/", "/%2fevil.example/", "/%5cevil.example/", "/products/%5c%5cevil.example/", "///", "/%0d%0a/"],
)
def test_trailing_slash_leads_to_no_other_site(path: str):
    target = signed_in().get(path).headers.get("location", "/")
    assert target.startswith("/")
    assert not target.startswith(("//", "/\\"))


@pytest.mark.parametrize("identifier", ["%2e", "%2e%2e", "%2E."])
@pytest.mark.parametrize("path", ["/products/{}", "/orders/{}", "/orders/{}/status", "/admin/vouchers/{}"])
def test_dot_segment_is_no_identifier(path: str, identifier: str):
    """httpx would resolve it: the API call would be for another resource."""
    client, calls = signed_in(), Calls()
    client._api = calls
    assert client.get(path.format(identifier)).status_code == 404
    assert calls.requests == []


@pytest.mark.parametrize("sku", [".", "..", ""])
def test_dot_segment_is_no_product_of_a_basket(sku: str):
    client, calls = signed_in(), Calls()
    client._api = calls
    client.cookies.set("__Host-basket", "b" * 32)
    assert client.post(f"/basket/items/{sku.replace('.', '%2e')}", {"quantity": "2"}).status_code in (303, 404)
    assert calls.requests == []


@pytest.mark.parametrize("content_length", ["\u00b2".encode("latin-1"), b"9" * 5000, b"-1", b"1e3"])
def test_content_length_that_is_no_number_is_ignored(content_length: bytes):
    headers = [(b"content-length", content_length), (b"content-type", b"application/x-www-form-urlencoded")]
    scope = {"type": "http", "path": "/", "headers": headers}
    bodies: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        bodies.append((await receive())["body"])

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"a=b"}

    asyncio.run(BodyLimit(app, 10, {})(scope, receive, None))  # type: ignore[arg-type]
    assert bodies == [b"a=b"]


@pytest.mark.parametrize("page", ["/basket", "/products/SP-1", "/account"])
@pytest.mark.parametrize("text", ["Your account is blocked. Call +49 900 123", "<b>SAVED</b>", "UNKNOWN_CODE"])
def test_text_of_an_address_is_not_shown(page: str, text: str):
    """Anyone can write a link to the shop; only known codes are shown, by the shop's own words."""
    product = {"sku": "SP-1", "name": "Tower", "description": "", "unit_price": 1, "currency": "EUR", "available": True}
    client = signed_in()
    client._api = lambda request: httpx.Response(
        200, json=product | {"items": [], "totals": {}, "points": 1, "tier": "t"}
    )
    response = client.get(page, **{})
    shown = client.get(f"{page}?{urlencode({'message': text})}")
    assert (shown.status_code, shown.text) == (200, response.text.replace(form_key(response), form_key(shown)))
    assert MESSAGES["QUANTITY_LIMIT"] in client.get(f"{page}?message=QUANTITY_LIMIT").text


def form_key(page: httpx.Response) -> str:
    match = re.search(r'name="form" value="([^"]+)"', page.text)
    return match[1] if match else "none"


@pytest.mark.parametrize(("base", "name"), [(HTTPS, "__Host-basket"), (HTTP, "basket")])
def test_basket_cookie_is_host_only(base: str, name: str):
    client = Browser(lambda request: httpx.Response(201, json={}), base=base)
    response = client.post("/basket", {"sku": "SP-1", "quantity": "1", "form": "f"})
    cookie_pair, *attributes = response.headers["set-cookie"].split("; ")
    assert cookie_pair.partition("=")[0] == name
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(attributes)
    assert ("Secure" in attributes) == (base == HTTPS)


def test_session_ended_by_the_api_ends_the_storefront_session():
    client = signed_in()
    client._api = lambda request: problem(401, "NO_SESSION")
    response = client.get("/account")
    assert response.status_code == 401
    assert "Please sign in again" in response.text
    assert "Sign out" not in response.text
    assert client.get("/account").headers["location"] == "/sign-in?next=/account"
