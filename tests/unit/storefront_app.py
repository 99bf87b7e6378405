"""A fake browser for the storefront with fake APIs."""

import asyncio
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import httpx
from fakeredis import FakeAsyncRedis, FakeServer
from starlette.applications import Starlette

from app.apis import Apis
from app.cookies import Cookie
from app.encrypted_store import EncryptedStore
from app.main import create
from app.pages import Site
from app.product_names import ProductNames
from app.sessions import Sessions
from app.settings import SERVICES, Settings

HTTPS, HTTP = "https://shop.example", "http://127.0.0.1:8081"
Api = Callable[[httpx.Request], httpx.Response]


def problem(status: int, code: str, **members: Any) -> httpx.Response:
    """An API's error response."""
    return httpx.Response(status, json={"code": code, "detail": f"{code} in words"} | members)


def sent(request: httpx.Request) -> dict[str, Any]:
    """The JSON body of a request to an API."""
    body: dict[str, Any] = json.loads(request.content)
    return body


class Browser:
    """Keeps cookies and follows no redirects. ``api`` handles all API calls, to ``https://<service>/v1/...``."""

    def __init__(self, api: Api, *, base: str = HTTPS, server: FakeServer | None = None) -> None:
        self.base, self.cookies = base, httpx.Cookies()
        self._api, self._server = api, server or FakeServer()

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, form: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        body = urlencode(form or {}, doseq=True).encode()
        return self.send("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"} | headers)

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
        return asyncio.run(self._send(method, path, body, {"Sec-Fetch-Site": "same-origin"} | (headers or {})))

    async def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(self._application(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=self.base, cookies=self.cookies) as client:
            response = await client.request(method, path, content=body, headers=headers)
            self.cookies = client.cookies
            return response

    def _application(self) -> Starlette:
        secure = self.base.startswith("https")
        urls = {service: f"https://{service}" for service in SERVICES}
        app = create(Settings(urls, "redis://127.0.0.1:1/0", "Shop", secure))
        store = FakeAsyncRedis(server=self._server, decode_responses=True)
        apis = Apis(urls, transport=httpx.MockTransport(self._api))
        app.state.site = Site(
            "Shop",
            apis,
            Sessions(store, secure=secure),
            Cookie("basket", secure=secure),
            ProductNames(apis),
            EncryptedStore(store, "checkout"),
        )
        return app
