"""A `Gateway` over HTTP, for one machine: threads of the standard library's server."""

from __future__ import annotations

import logging
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from apigw_executor.gateway import Gateway
from apigw_executor.messages import Request, Response
from apigw_executor.models import MAX_BODY
from apigw_executor.ports import EndpointDown

LOG = logging.getLogger(__name__)
IDLE = 60.0  # seconds that a connection may wait for its next request
_LENGTH = re.compile(r"[0-9]{1,18}")


class _BadRequest(Exception):
    """The request is not HTTP, or its end is not known: the connection closes."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Server(ThreadingHTTPServer):
    """Serves `gateway` at the root of its address; port 0 takes a free one."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, gateway: Gateway, host: str = "127.0.0.1", port: int = 8000) -> None:
        self.gateway, self._host = gateway, host
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://{self._host}:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Logs an exception of a connection; a client that has gone is none."""
        if not isinstance(sys.exception(), ConnectionError):
            LOG.exception("connection of %s", client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE

    def _answer(self) -> None:
        try:
            request = self._request()
        except _BadRequest as error:
            self.close_connection = True
            self._send(_message(error.status, error.message))
            return
        self._send(self._handled(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer

    def _handled(self, request: Request) -> Response:
        try:
            return self.server.gateway.handle(request)
        except EndpointDown as error:
            LOG.error("the endpoint does not answer: %s", error)
            return _message(503, "The endpoint does not answer")

    def _body(self) -> bytes:
        """The body, as far as the gateway reads it. Raises _BadRequest if its length is not certain."""
        # Names with spaces and folded lines: programs differ in what they read (RFC 9112, sections 5.1 and 5.2).
        if self.headers.defects or any(name != name.strip() or "\n" in value for name, value in self.headers.items()):
            raise _BadRequest(400, "Bad Request")
        if "Transfer-Encoding" in self.headers:
            raise _BadRequest(411, "Length Required")
        lengths = set(self.headers.get_all("Content-Length", ["0"]))
        text = lengths.pop().strip()
        if lengths or not _LENGTH.fullmatch(text):
            raise _BadRequest(400, "Bad Request")
        length = int(text)
        # One byte more than the limit is enough for the gateway to refuse the body; the rest is not read.
        body = self.rfile.read(min(length, MAX_BODY + 1))
        if len(body) < min(length, MAX_BODY + 1):
            raise _BadRequest(400, "Bad Request")
        self.close_connection = self.close_connection or length > MAX_BODY
        return body

    def _request(self) -> Request:
        body = self._body()
        path, _, query = self.path.partition("?")
        host = self.headers.get("Host") or self.server.server_name
        address = self.client_address[0]
        forwarded = (
            ("X-Forwarded-For", address),
            ("X-Forwarded-Port", host.rpartition(":")[2] if ":" in host else "80"),
            ("X-Forwarded-Proto", "http"),
        )
        return Request(
            method=self.command,
            path=path,
            headers=(*self.headers.items(), *forwarded),
            query=tuple(parse_qsl(query, keep_blank_values=True)),
            body=body,
            public_path=path,
            source_ip=address,
            host=host,
        )

    def _send(self, response: Response) -> None:
        # RFC 9110, section 8.6: 204 and 304 have no content.
        empty = response.status in (204, 304)
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value.encode("latin-1", "replace").decode("latin-1"))
        if not empty:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if not empty and self.command != "HEAD":
            self.wfile.write(response.body)

    def log_message(self, format: str, *args: Any) -> None:
        LOG.info(format, *args)


def _message(status: int, message: str) -> Response:
    return Response(status, [("Content-Type", "application/json")], f'{{"message":"{message}"}}'.encode())
