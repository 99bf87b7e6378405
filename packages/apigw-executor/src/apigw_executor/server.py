"""A `Gateway` over HTTP, for one machine: threads of the standard library's server."""

from __future__ import annotations

import logging
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from apigw_executor.gateway import Gateway
from apigw_executor.messages import Request, Response
from apigw_executor.models import MAX_BODY
from apigw_executor.ports import EndpointDown

LOG = logging.getLogger(__name__)
IDLE = 60.0  # seconds that a connection may wait for its next request


class Server(ThreadingHTTPServer):
    """Serves `gateway` at the root of its address; port 0 takes a free one."""

    daemon_threads = True

    def __init__(self, gateway: Gateway, host: str = "127.0.0.1", port: int = 8000) -> None:
        self.gateway, self._host = gateway, host
        super().__init__((host, port), _Handler)

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return f"http://{self._host}:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = IDLE

    def _answer(self) -> None:
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(Response(411, [("Content-Type", "application/json")], b'{"message":"Length Required"}'))
            return
        response = self._handled()
        self._send(response)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer

    def _handled(self) -> Response:
        try:
            return self.server.gateway.handle(self._request())
        except EndpointDown as error:
            LOG.error("the endpoint does not answer: %s", error)
            return Response(503, [("Content-Type", "application/json")], b'{"message":"The endpoint does not answer"}')

    def _request(self) -> Request:
        path, _, query = self.path.partition("?")
        length = int(self.headers.get("Content-Length") or 0)
        # One byte more than the limit is enough for the gateway to refuse the body; the rest is not read.
        body = self.rfile.read(min(length, MAX_BODY + 1))
        self.close_connection = self.close_connection or length > MAX_BODY
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
            self.send_header(name, value)
        if not empty:
            self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if not empty and self.command != "HEAD":
            self.wfile.write(response.body)

    def log_message(self, format: str, *args: Any) -> None:
        LOG.info(format, *args)
