"""Where a reader is sent, whose forms are taken, and what is told of a refusal."""

import asyncio
from types import SimpleNamespace
from xml.etree.ElementTree import fromstring

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from app.apis import Apis, Refused
from app.main import ThroughCdn
from app.pages import from_elsewhere, money, own_path, refused
from app.pictures import drawn


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/basket", "/basket"),
        ("/products?query=a&b=c", "/products?query=a&b=c"),
        ("", "/"),
        ("basket", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("/\t/evil.example", "/"),
    ],
)
def test_a_reader_stays_on_the_site(target: str, expected: str):
    assert own_path(target) == expected


@pytest.mark.parametrize(
    ("headers", "elsewhere"),
    [
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "https://shop.example"}, True),
        ({"origin": "https://shop.example"}, False),
        ({"origin": "https://evil.example"}, True),
        ({"origin": "null"}, True),
        ({}, False),
    ],
)
def test_forms_of_other_sites(headers: dict[str, str], elsewhere: bool):
    raw = [(name.encode(), value.encode()) for name, value in ({"host": "shop.example"} | headers).items()]
    assert from_elsewhere(Request({"type": "http", "method": "POST", "path": "/", "headers": raw})) == elsewhere


@pytest.mark.parametrize(("cents", "text"), [(0, "0.00 EUR"), (5, "0.05 EUR"), (123456, "1,234.56 EUR")])
def test_money(cents: int, text: str):
    assert money(cents, "EUR") == text


@given(st.text(max_size=40))
def test_every_sku_has_a_picture_of_its_own(sku: str):
    assert fromstring(drawn(sku)).tag.endswith("svg")
    assert drawn(sku) == drawn(sku)
    assert drawn(sku) != drawn(sku + "x")


@pytest.mark.parametrize(
    ("status", "advice", "shown", "retry_after"),
    [
        (429, 7, 429, "7"),
        (429, None, 429, "2"),
        (503, None, 503, "2"),
        (500, None, 503, "2"),
        (502, 3, 503, "3"),
        (403, None, 403, None),
    ],
)
def test_a_page_that_cannot_be_had_now_says_when_it_can(
    status: int, advice: int | None, shown: int, retry_after: str | None
):
    app = SimpleNamespace(state=SimpleNamespace(site=SimpleNamespace(name="Shop")))
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "app": app, "query_string": b""})
    request.state.session = None
    answer = asyncio.run(refused(request, Refused(status, "CODE", "", advice)))
    assert (answer.status_code, answer.headers.get("retry-after")) == (shown, retry_after)


@pytest.mark.parametrize(
    ("headers", "client", "scheme"),
    [
        ({"x-viewer-address": "2001:db8::7", "x-forwarded-for": "198.51.100.1"}, "2001:db8::7", "https"),
        ({"x-forwarded-for": "198.51.100.1", "x-forwarded-proto": "ftp"}, "10.20.0.5", "http"),
    ],
)
def test_a_client_is_who_the_cdn_says(headers: dict[str, str], client: str, scheme: str):
    """As the server's access log reads it, and links to other pages of ours."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": raw, "client": ("10.20.0.5", 4), "scheme": "http"}

    async def app(scope, receive, send):
        pass

    asyncio.run(ThroughCdn(app, https=True)(scope, None, None))  # type: ignore[arg-type]
    assert (scope["client"][0], scope["scheme"]) == (client, scheme)


def test_calls_of_apis_say_that_they_are_the_storefronts():
    called: list[httpx.Request] = []

    async def call() -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            called.append(request)
            return httpx.Response(204)

        apis = Apis({"catalog": "http://apis.example"}, "secret", httpx.MockTransport(answer))
        await apis.call("catalog", "GET", "products")
        await apis.close()

    asyncio.run(call())
    assert called[0].headers["x-storefront-token"] == "secret"
