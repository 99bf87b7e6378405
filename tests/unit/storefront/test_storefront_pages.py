"""Redirect targets, cross-site forms, error pages and client addresses."""

import asyncio
from types import SimpleNamespace
from xml.etree.ElementTree import fromstring

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from app.apis import ApiError, Apis
from app.main import CdnClientAddress
from app.pages import error_page, is_cross_site, local_path
from app.pictures import draw


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
        ("//[", "/"),
        ("/[", "/["),
    ],
)
def test_redirect_targets_stay_on_the_site(target: str, expected: str):
    assert local_path(target) == expected


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
        ({"origin": "http://["}, True),
        ({}, False),
    ],
)
def test_cross_site_requests_are_detected(headers: dict[str, str], elsewhere: bool):
    raw = [(name.encode(), value.encode()) for name, value in ({"host": "shop.example"} | headers).items()]
    assert is_cross_site(Request({"type": "http", "method": "POST", "path": "/", "headers": raw})) == elsewhere


@given(st.text(max_size=40))
def test_each_sku_has_its_own_picture(sku: str):
    assert fromstring(draw(sku)).tag.endswith("svg")
    assert draw(sku) == draw(sku)
    assert draw(sku) != draw(sku + "x")


@pytest.mark.parametrize(
    ("api_status", "api_retry_after", "status", "retry_after"),
    [
        (429, 7, 429, "7"),
        (429, None, 429, "2"),
        (503, None, 503, "2"),
        (500, None, 503, "2"),
        (502, 3, 503, "3"),
        (403, None, 403, None),
    ],
)
def test_temporary_error_page_has_retry_after(
    api_status: int, api_retry_after: int | None, status: int, retry_after: str | None
):
    app = SimpleNamespace(state=SimpleNamespace(site=SimpleNamespace(name="Shop")))
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": [], "app": app, "query_string": b""})
    request.state.session = None
    response = asyncio.run(error_page(request, ApiError(api_status, "CODE", "", api_retry_after)))
    assert (response.status_code, response.headers.get("retry-after")) == (status, retry_after)


@pytest.mark.parametrize(
    ("headers", "client", "scheme"),
    [
        ({"x-viewer-address": "2001:db8::7", "x-forwarded-for": "198.51.100.1"}, "2001:db8::7", "https"),
        ({"x-forwarded-for": "198.51.100.1", "x-forwarded-proto": "ftp"}, "10.20.0.5", "http"),
    ],
)
def test_client_address_is_the_one_from_the_cdn(headers: dict[str, str], client: str, scheme: str):
    """The access log and links to other pages read the scope."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "headers": raw, "client": ("10.20.0.5", 4), "scheme": "http"}

    async def app(scope, receive, send):
        pass

    asyncio.run(CdnClientAddress(app, https=True)(scope, None, None))  # type: ignore[arg-type]
    assert (scope["client"][0], scope["scheme"]) == (client, scheme)


def test_api_calls_carry_the_storefront_token():
    requests: list[httpx.Request] = []

    async def call() -> None:
        def respond(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            return httpx.Response(204)

        apis = Apis({"catalog": "http://apis.example"}, "secret", httpx.MockTransport(respond))
        await apis.call("catalog", "GET", "products")
        await apis.close()

    asyncio.run(call())
    assert requests[0].headers["x-storefront-token"] == "secret"
