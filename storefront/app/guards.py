"""What every request and answer passes, on all pages."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.pages import from_elsewhere

SAFE = ("GET", "HEAD", "OPTIONS")
# No script, style or picture of another site, and no other site shows the shop in a frame.
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SecurityHeaders:
    """Every answer has the headers ``SECURITY``; one that has such a header already keeps its own."""

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


class OwnForms:
    """Forms of other sites are refused."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE and from_elsewhere(Request(scope)):
            refusal = PlainTextResponse("This form is another site's.", 403, {"Cache-Control": "no-store"})
            return await refusal(scope, receive, send)
        return await self._app(scope, receive, send)


class BodyLimit:
    """A body of more than ``most`` bytes, or than ``by_path`` says, ends as 413 when it is read and is never kept whole."""

    def __init__(self, app: ASGIApp, most: int, by_path: dict[str, int]) -> None:
        self._app, self._most, self._by_path = app, most, by_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        most = self._by_path.get(scope["path"], self._most)
        announced = Headers(scope=scope).get("content-length", "")
        size = int(announced) if announced.isdecimal() else 0
        received = 0

        async def limited() -> Message:
            nonlocal received
            if size > most:
                raise HTTPException(413)
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise HTTPException(413)
            return message

        return await self._app(scope, limited, send)
