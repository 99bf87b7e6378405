"""What every request and answer passes: headers of all answers, limits of all forms, cookies of this site alone."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from app.guards import SECURITY
from app.main import MAX_BODY_BYTES, MAX_FORM_BYTES, ROUTES
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
def test_every_answer_has_the_security_headers(path: str, status: int):
    answer = Browser(api).get(path)
    assert answer.status_code == status
    own = {"Content-Security-Policy": "default-src 'none'"} if path.startswith("/pictures") else {}
    for name, value in (SECURITY | own).items():
        assert answer.headers.get_list(name) == [value], name


def test_a_form_of_another_site_is_refused_with_them_too():
    answer = Browser(api).post("/sign-out", **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert answer.headers["content-security-policy"] == SECURITY["Content-Security-Policy"]


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
@pytest.mark.parametrize("path", [path for path, _ in FORMS])
def test_a_form_has_some_fields_of_a_few_words(path: str, encoded: Any, fields: list[tuple[str, str]]):
    assert signed_in().send("POST", path, *encoded(fields)).status_code == 400


@pytest.mark.parametrize(("path", "most"), FORMS)
def test_a_body_that_is_announced_as_too_large_is_not_read(path: str, most: int):
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"a=b"

    headers = urlencoded([])[1] | {"Content-Length": str(most + 1)}
    assert signed_in().send("POST", path, body(), headers).status_code == 413
    assert read == 0


@pytest.mark.parametrize(("path", "most"), FORMS)
def test_a_body_without_end_is_not_read_to_its_end(path: str, most: int):
    """One part of a file after the other, so that no other limit ends it."""
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        while read <= 2 * most:
            read += 2**16
            yield bytes(2**16)

    headers = multipart([])[1]
    answer = signed_in().send("POST", path, body(), headers)
    # A file is one too many, but for a feed.
    assert answer.status_code in (400, 413)
    assert read <= most + 2**17


def test_a_feed_may_be_a_file_of_many_megabytes_and_has_no_other_long_field():
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + bytes(2**20) + b"\r\n"
    fields, headers = multipart([("type", "none")])
    assert "one of the types" in signed_in().send("POST", "/admin/feeds", file + fields, headers).text


@pytest.mark.parametrize("text", ["\u00b2", "\u0663", "-1", "9" * MAX_FIELD_BYTES, "\u00e9", "a\r\nb: c", "\x00", ""])
@pytest.mark.parametrize("path", [path for path, _ in FORMS])
def test_no_form_can_be_filled_in_so_that_it_is_a_fault(path: str, text: str):
    """What browsers send of the shop's own forms is checked there, what others send is not."""
    client = signed_in()

    def api(request: httpx.Request) -> httpx.Response:
        assert all(value.isprintable() for value in request.headers.values())
        return problem(400, "INVALID_REQUEST")

    client._api = api
    client.cookies.set("__Host-basket", "b" * 32)
    names = ("quantity", "form", "key", "version", "name", "email", "count", "value", "sku", "next", "token", "notify")
    assert client.post(path, dict.fromkeys(names, text)).status_code < 500
    assert client.post(path, dict.fromkeys(names, "1") | {"quantity": text}).status_code < 500


@pytest.mark.parametrize(("base", "name"), [(HTTPS, "__Host-basket"), (HTTP, "basket")])
def test_the_baskets_cookie_is_of_this_host_alone(base: str, name: str):
    client = Browser(lambda request: httpx.Response(201, json={}), base=base)
    answer = client.post("/basket", {"sku": "SP-1", "quantity": "1", "form": "f"})
    given, *attributes = answer.headers["set-cookie"].split("; ")
    assert given.partition("=")[0] == name
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(attributes)
    assert ("Secure" in attributes) == (base == HTTPS)


def test_a_session_that_the_api_has_ended_is_ended_here():
    client = signed_in()
    client._api = lambda request: problem(401, "UNAUTHORIZED")
    answer = client.get("/account")
    assert answer.status_code == 401
    assert "Please sign in again" in answer.text
    assert "Sign out" not in answer.text
    assert client.get("/account").headers["location"] == "/sign-in?next=/account"
