"""The ASGI application of the front door: its own routes, the deployed APIs, and the CDN for all other paths."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import wraps
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.responses import Response as HttpResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from swagger_ui import api_doc

from apigw_executor.executor import Executor
from apigw_executor.messages import Response
from apigw_executor.ports import Answer, EndpointDown
from apigw_executor.telemetry import CloudWatch
from local import request_guard
from local.front_door import cdn
from local.front_door.catalog import Catalog
from local.front_door.cdn import Site
from local.front_door.messages import http_response, problem, read_request
from model.settings import ROOT

LOG = logging.getLogger(__name__)

REFERENCE = ROOT / "docs" / "api" / "openapi.json"
THREADS = 64
# CloudFront and the load balancer accept far more; the storefront limits the body of each page.
MAX_UPLOAD = 64 * 1024**2
# The characters of RFC 3986. API Gateway refuses all others unless they are percent-encoded, as `|`
# (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html). A quotation mark would forge
# a line of the access log, whose format prints the path unescaped.
_URL_CHARACTERS = re.compile(rb"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]*")


def problem_response(status: int, code: str, title: str, detail: str) -> HttpResponse:
    """A response of the front door itself, as ``application/problem+json`` (RFC 9457)."""
    return JSONResponse(problem(status, code, title, detail), status, media_type="application/problem+json")


def _emulator_down(error: EndpointDown) -> HttpResponse:
    LOG.warning("the local cloud does not answer: %s", error)
    response = problem_response(
        503, "LOCAL_CLOUD_DOWN", "The local cloud does not answer", "Run `make start`, then try again."
    )
    response.headers["Retry-After"] = "1"
    return response


Handler = Callable[["FrontDoor", HttpRequest], Awaitable[HttpResponse]]


def own_pages(handler: Handler) -> Handler:
    """The handler of a route that changes state: requests that a browser sends for pages of other origins get a 403."""

    @wraps(handler)
    async def checked(self: FrontDoor, request: HttpRequest) -> HttpResponse:
        refusal = request_guard.foreign_page(request.headers.raw)
        if refusal:
            return problem_response(refusal.status, "FOREIGN_PAGE", "Foreign page", refusal.message.capitalize() + ".")
        return await handler(self, request)

    return checked


class FrontDoor:
    """The handlers of the application.

    ``executor`` runs a request of an API and ``fetch`` one of the CDN, in a thread each. ``forget`` drops what was cached
    of the deployed functions and roles.
    """

    def __init__(
        self,
        catalog: Catalog,
        executor: Executor,
        forget: Callable[[], None],
        fetch: Callable[..., Answer],
        threads: int = THREADS,
    ) -> None:
        self._catalog, self._executor, self._forget, self._fetch = catalog, executor, forget, fetch
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="gateway")

    async def _threaded(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    async def listing(self, request: HttpRequest) -> HttpResponse:
        """``GET /_front_door/apis``"""
        try:
            deployment = await self._threaded(self._catalog.find, "")
        except EndpointDown as error:
            return _emulator_down(error)
        base = str(request.base_url).rstrip("/")
        apis = [
            {
                "service": api.base_path,
                "url": f"{base}/{api.base_path}",
                "api_id": api.api_id,
                "stage": api.stage.name,
                "routes": sorted(
                    f"{method} {path}" for path, methods in api.document.resources.items() for method in methods
                ),
            }
            for api in sorted(deployment.apis.values(), key=lambda api: api.base_path)
        ]
        return JSONResponse({"apis": apis})

    async def health(self, request: HttpRequest) -> HttpResponse:
        """``GET /healthz``"""
        return JSONResponse({"status": "ok", "apis": len(self._catalog.deployment.apis)})

    @own_pages
    async def reload(self, request: HttpRequest) -> HttpResponse:
        """``POST /_front_door/reload``"""
        try:
            deployment = await self._threaded(self._catalog.reload)
        except EndpointDown as error:
            return _emulator_down(error)
        self._executor.forget()
        self._forget()
        return JSONResponse({"apis": sorted(deployment.apis)})

    @own_pages
    async def throttles(self, request: HttpRequest) -> HttpResponse:
        """``PUT /_front_door/throttles``"""
        try:
            share = float((await request.json())["share"])
        except (KeyError, TypeError, ValueError):
            share = 0.0
        if not 0 < share <= 1:
            return problem_response(400, "INVALID_SHARE", "Invalid share", "share is a number above 0 and at most 1.")
        self._executor.scale_throttles(share)
        return JSONResponse({"share": share})

    async def api(self, http: HttpRequest) -> HttpResponse:
        """Any other path: ``/<service>/v1/<path>`` of an API, which on AWS has its own host, else a path of the CDN."""
        raw_path = http.scope.get("raw_path") or http.scope["path"].encode()
        public_path = raw_path.decode("latin-1").split("?", 1)[0]
        service, _, rest = public_path.removeprefix("/").partition("/")
        try:
            deployment = self._catalog.deployment
            for_an_api = rest == "v1" or rest.startswith("v1/")
            if service not in deployment.apis and (for_an_api or not deployment.domain):
                deployment = await self._threaded(self._catalog.find, service)
            api = deployment.apis.get(service)
            if deployment.domain and not for_an_api:
                return await self._cdn(http, deployment, public_path)
            if api is None:
                names = ", ".join(sorted(deployment.apis)) or "none"
                return problem_response(
                    404, "UNKNOWN_SERVICE", "Unknown service", f"No API is deployed as '{service}'. Deployed: {names}."
                )
            if not _URL_CHARACTERS.fullmatch(raw_path + http.scope.get("query_string", b"")):
                return problem_response(
                    400, "INVALID_ADDRESS", "Invalid address", "Percent-encode it as RFC 3986 says."
                )
            request = await read_request(http, public_path, "/" + rest)
            response = await self._threaded(self._executor.handle, deployment, api, request)
        except EndpointDown as error:
            return _emulator_down(error)
        return http_response(response)

    async def _cdn(self, http: HttpRequest, deployment: Site, public_path: str) -> HttpResponse:
        request = await read_request(http, public_path, public_path, MAX_UPLOAD)
        # The CDN overwrites these headers of the client.
        viewer = tuple((name, request.source_ip) for name in deployment.viewer_headers)
        other_headers = tuple(pair for pair in request.headers if pair[0].lower() not in deployment.viewer_headers)
        request = replace(request, headers=other_headers + viewer)
        refusal = cdn.refuse(deployment, self._executor.firewall, request)
        if refusal is not None:
            return http_response(refusal)
        query = http.scope.get("query_string", b"").decode("latin-1")
        target = public_path + (f"?{query}" if query else "")
        response = await self._threaded(
            self._fetch, deployment.domain, request.method, target, request.headers, request.body
        )
        return http_response(Response(response.status, list(response.headers), response.body))

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class _AnyMethod:
    """``handle`` as an ASGI application: Starlette restricts the methods of a function, and each API has its own."""

    def __init__(self, handle: Callable[[HttpRequest], Awaitable[HttpResponse]]) -> None:
        self._handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A client that disconnects during its request receives no response.
        with contextlib.suppress(ClientDisconnect):
            response = await self._handle(HttpRequest(scope, receive, send))
            await response(scope, receive, send)


def application(front_door: FrontDoor, telemetry: CloudWatch | None = None) -> Starlette:
    """The ASGI application."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if telemetry is not None:
            telemetry.start()
        yield
        if telemetry is not None:
            telemetry.stop()
        front_door.close()

    app = Starlette(
        routes=[
            Route("/_front_door/apis", front_door.listing, methods=["GET"]),
            Route("/healthz", front_door.health, methods=["GET"]),
            Route("/_front_door/reload", front_door.reload, methods=["POST"]),
            Route("/_front_door/throttles", front_door.throttles, methods=["PUT"]),
        ],
        lifespan=lifespan,
    )
    api_doc(app, config_path=str(REFERENCE), url_prefix="/_front_door/reference", title="Set Pieces: APIs")
    # Not a route: routes match no path with a line break, and an API accepts any path.
    app.router.default = _AnyMethod(front_door.api)
    return app
