"""Converts between the requests and responses of the ASGI server and those of the gateway executor."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse

from apigw_executor.messages import Request, Response
from apigw_executor.models import MAX_BODY

PROBLEM_TYPES = "https://errors.setpieces.example/"


def problem(status: int, code: str, title: str, detail: str) -> dict[str, Any]:
    """The body of a response of the front door itself, as ``application/problem+json``: docs/api/problems.md."""
    slug = code.lower().replace("_", "-")
    return {"type": PROBLEM_TYPES + slug, "title": title, "status": status, "code": code, "detail": detail}


async def read_request(http: HttpRequest, public_path: str, path: str, limit: int = MAX_BODY) -> Request:
    """The request with its body, of which at most one chunk more than ``limit`` bytes is kept.

    ``public_path`` is the path as the client sent it, ``path`` the one within the API. ``X-Forwarded-*`` headers are set
    as API Gateway sets them.
    """
    body = bytearray()
    async for chunk in http.stream():
        # The executor refuses a body over the limit. The rest is read and dropped, so that the client reads the response.
        if len(body) <= limit:
            body += chunk
    query = parse_qsl(http.scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    client = http.client.host if http.client else "127.0.0.1"
    headers = [
        (_canonical_name(name.decode("latin-1")), value.decode("latin-1")) for name, value in http.scope["headers"]
    ]
    host = next((value for name, value in headers if name == "Host"), "127.0.0.1")
    forwarded = next((value for name, value in headers if name == "X-Forwarded-For"), None)
    headers = [pair for pair in headers if pair[0] not in ("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto")]
    scheme = str(http.scope.get("scheme", "http"))
    headers += [
        ("X-Forwarded-For", f"{forwarded}, {client}" if forwarded else client),
        ("X-Forwarded-Port", host.rpartition(":")[2] if ":" in host else "80"),
        ("X-Forwarded-Proto", scheme),
    ]
    return Request(
        method=http.method,
        path=path,
        headers=tuple(headers),
        query=tuple(query),
        body=bytes(body),
        public_path=public_path,
        source_ip=client,
        host=host,
        scheme=scheme,
    )


def _canonical_name(name: str) -> str:
    """``Idempotency-Key`` for ``idempotency-key``.

    ASGI servers fold header names. API Gateway preserves the case, and most clients send the canonical form.
    """
    return "-".join(part.capitalize() for part in name.split("-"))


def http_response(response: Response) -> HttpResponse:
    """The response for the ASGI server."""
    # RFC 9110, section 8.6: 204 and 304 have no content, and 204 no Content-Length either.
    empty = response.status in (204, 304)
    result = HttpResponse(b"" if empty else response.body, response.status)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers]
    length = [] if empty else [(b"content-length", str(len(response.body)).encode())]
    result.raw_headers = headers + length
    return result
