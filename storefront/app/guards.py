"""Middleware of all pages: security headers, same-origin forms, trailing slashes and a limit on bodies."""

from collections.abc import Sequence
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.apis import whole_number
from app.pages import is_cross_site

SAFE = ("GET", "HEAD", "OPTIONS")
# Blocks scripts, styles and images of other origins, and framing by other sites.
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SecurityHeaders:
    """Adds the headers ``SECURITY`` to each response that does not set them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


class SameOriginForms:
    """Refuses cross-site requests that are not safe (RFC 9110) with 403."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE and is_cross_site(Request(scope)):
            forbidden = PlainTextResponse("This form was sent by another site.", 403, {"Cache-Control": "no-store"})
            return await forbidden(scope, receive, send)
        return await self._app(scope, receive, send)


class TrailingSlashes:
    """Redirects GET and HEAD of a page's path with trailing slashes to the path without (308), relative to this site.

    Forms are never redirected: a path with a trailing slash is 404 for them.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and len(scope["path"]) > 1:
            path = scope["path"].rstrip("/")
            if path != scope["path"] and self._is_page({**scope, "path": path}):
                query = scope["query_string"].decode("latin-1")
                target = quote(path) + (f"?{query}" if query else "")
                return await RedirectResponse(target, 308, {"Cache-Control": "no-store"})(scope, receive, send)
        return await self._app(scope, receive, send)

    def _is_page(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is Match.FULL for route in self._routes)


class BodyLimit:
    """Answers 413 to a body of more than ``max_bytes``, or than the limit in ``by_path``, without buffering the body."""

    def __init__(self, app: ASGIApp, max_bytes: int, by_path: dict[str, int]) -> None:
        self._app, self._max_bytes, self._by_path = app, max_bytes, by_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        max_bytes = self._by_path.get(scope["path"], self._max_bytes)
        content_length = Headers(scope=scope).get("content-length", "")
        declared = whole_number(content_length) or 0
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            if declared > max_bytes:
                raise HTTPException(413)
            message = await receive()
            received += len(message.get("body", b""))
            if received > max_bytes:
                raise HTTPException(413)
            return message

        return await self._app(scope, receive_limited, send)
