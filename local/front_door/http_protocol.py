"""The HTTP protocol of the front door: limits of size and time, and no ambiguous requests.

Refuses what API Gateway and CloudFront refuse before a request reaches an API. The parser, llhttp, refuses invalid HTTP.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
"""

from __future__ import annotations

import asyncio
import json
import re
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from local.front_door.messages import problem
from local.request_guard import LOOPBACK_HOST

# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html: the request line and all header values.
MAX_HEAD = 10_240  # bytes
IDLE = 75  # seconds; longer than clients keep idle connections, so that no request meets a closed one
# Seconds for each part from its first byte on. A body of 10 MB in 20 seconds is a slow line.
_SECONDS = {"nothing yet": IDLE, "idle": 10, "head": 10, "body": 20}
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.I)


class Refused(Exception):
    """The response to the request is ``status``, and the connection closes."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


class Wire(HttpToolsProtocol):
    """One connection. ``_part`` is the part of a request that is being read, "" between requests."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._part = ""
        self._size = 0  # bytes of the head received so far
        self._refused: Refused | None = None
        self._awaited = "nothing yet"
        self._timer = self.loop.call_later(_SECONDS[self._awaited], self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._part
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._part == "head":
            self._size = self._size + len(data) if before == "head" else len(data)
            if self._size > MAX_HEAD:
                self._refused = _too_large()
                self.send_400_response("")
                return
        # A request that arrives in one piece, as most do, needs no timer: uvicorn's starts after the response.
        self._await(self._part or ("" if self._busy() else "idle"))

    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await(self, part: str) -> None:
        """Start the timer of a part. Further bytes of the same part do not extend it."""
        if part != self._awaited:
            self._awaited = part
            self._timer.cancel()
            if part:
                self._timer = self.loop.call_later(_SECONDS[part], self._late)

    def _late(self) -> None:
        """The awaited part did not arrive in time."""
        if self.transport.is_closing():
            return
        if self.pipeline:
            # The request was not read because the previous response is not complete, which the client did not cause.
            self._timer = self.loop.call_later(_SECONDS[self._awaited], self._late)
        elif self._part:
            self._refused = Refused(HTTPStatus.REQUEST_TIMEOUT, f"the {self._part} of the request did not arrive")
            self.send_400_response("")
        else:
            self.transport.close()

    # --- callbacks of the parser ---

    def on_message_begin(self) -> None:
        self._part, self._size = "head", 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers after a chunked body are dropped: no proxy has checked a cookie there.
        if self._part == "head":
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        try:
            self._check_head()
        except Refused as refused:
            self._refused = refused
            raise
        super().on_headers_complete()
        self._part = "body"

    def on_message_complete(self) -> None:
        self._part = ""
        super().on_message_complete()

    def _check_head(self) -> None:
        """Raise ``Refused`` for requests that API Gateway or CloudFront refuse, and for ambiguous ones."""
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            raise _too_large()
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise Refused(HTTPStatus.BAD_REQUEST, "the server supports HTTP/1.1 only")
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) > 1 or (version == "1.1" and not hosts):
            raise Refused(HTTPStatus.BAD_REQUEST, "there must be exactly one Host header")
        absolute = _ABSOLUTE.match(self.url)
        if not all(LOOPBACK_HOST.fullmatch(host) for host in [*hosts, *([absolute[1]] if absolute else [])]):
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "unknown host")
        codings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings and (codings != [b"chunked"] or version == "1.0"):
            raise Refused(HTTPStatus.BAD_REQUEST, "the only Transfer-Encoding is chunked, in HTTP/1.1")

    # --- error responses ---

    def send_400_response(self, msg: str) -> None:
        """Send the problem and close the connection; only close it if a response has begun or an earlier one is pending."""
        refused = self._refused or Refused(HTTPStatus.BAD_REQUEST, "this is not HTTP")
        response_begun = self.cycle.response_started if self._part == "body" else self._busy()
        if self.pipeline or response_begun:
            self.transport.close()
            return
        status = refused.status
        body = json.dumps(problem(status.value, status.name, status.phrase, refused.detail)).encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\n"
            f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def _too_large() -> Refused:
    return Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"request line and headers are over {MAX_HEAD:,} bytes")
