"""The front door: every deployed API under one address, `http://127.0.0.1:8080/<service>/v1/...`, as on the custom
domain.

    python -m local.front_door.server --port 8080 --stage local

It routes a path to the API that is deployed under that name, which `apigw_executor` executes, and what is under no
service's name to the deployed CDN; it holds no logic of any service. Besides, `GET /_front_door/apis` lists the APIs,
`GET /_front_door/reference` is a page to browse them and try them out, `GET /healthz` is up once it answers,
`POST /_front_door/reload` reads what is deployed again (a service that is not known makes it look by itself, at most
once a second), and `PUT /_front_door/throttles {"share": 0.01}` makes a hundredth of every deployed throttle count, for
load that is as much smaller than a region's (`bench/black_friday.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial, wraps
from typing import Any
from urllib.parse import parse_qsl

import boto3
import uvicorn
from botocore.config import Config
from botocore.credentials import Credentials
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.responses import Response as HttpResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from swagger_ui import api_doc

from apigw_executor.backends import HttpPool
from apigw_executor.deployment import Deployment, assemble
from apigw_executor.executor import Executor
from apigw_executor.messages import Request, Response
from apigw_executor.models import MAX_BODY
from apigw_executor.ports import Answer, EndpointDown
from apigw_executor.telemetry import CloudWatch
from local import emulator_client, request_guard
from local.credentials import TOKEN_HEADER, token
from local.front_door import cdn
from local.front_door.emulator import Emulator
from local.front_door.http_protocol import IDLE, Wire
from local.settings import aws_environment
from model.settings import ROOT

LOG = logging.getLogger("local.front_door.server")

REFERENCE = ROOT / "docs" / "api" / "openapi.json"
THREADS = 64
# CloudFront and the load balancer pass on far more; what a page takes of it the storefront says.
MAX_UPLOAD = 64 * 1024**2
# RFC 3986: what is none of these has to be percent-encoded, and is refused by API Gateway as `|` is
# (https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html). A quotation mark would forge
# the access log, whose format prints the path as it came.
_ADDRESS = re.compile(rb"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]*")
RELOAD_INTERVAL = 1.0  # seconds between reloads that an unknown service causes


class Catalog:
    """What is deployed, read again on demand. `read` may raise EndpointDown and is never called twice at once."""

    def __init__(self, read: Callable[[], Deployment], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._last = float("-inf")
        self.deployment = Deployment()

    def reload(self) -> Deployment:
        """Reads what is deployed now."""
        with self._lock:
            return self._load()

    def _load(self) -> Deployment:
        self._last = self._clock()
        self.deployment = self._read()
        return self.deployment

    def find(self, service: str) -> Deployment:
        """The deployment, read again if it does not know `service` and the last reading is long enough ago."""
        if service not in self.deployment.apis:
            with self._lock:
                if service not in self.deployment.apis and self._clock() - self._last >= RELOAD_INTERVAL:
                    self._load()
        return self.deployment


def read_deployment(emulator: Emulator, stage: str) -> Deployment:
    """What is deployed in `emulator` for `stage`. EndpointDown if it does not answer."""
    resources = emulator.resources()
    account = _account(resources)
    values: dict[str, str] = {}
    memberships: list[tuple[str, str]] = []
    if any(resource.get("type") == "AWS::ApiGateway::UsagePlan" for resource in resources):
        for key in _items(emulator.get_json("apigateway", "/apikeys", {"includeValues": "true", "limit": "500"})):
            values[str(key.get("id"))] = str(key.get("value") or "")
        for resource in resources:
            if resource.get("type") == "AWS::ApiGateway::UsagePlan":
                plan = str(resource["physical_id"])
                keys = _items(emulator.get_json("apigateway", f"/usageplans/{plan}/keys", {"limit": "500"}))
                memberships += [(plan, str(key.get("id"))) for key in keys]
    deployment = assemble(
        resources,
        values,
        memberships,
        prefix=f"setpieces-{stage}-",
        stage=stage,
        region=emulator.region,
        account=account,
    )
    return replace(
        deployment,
        cdn=cdn.distribution(resources, stage),
        cdn_files=cdn.file_patterns(resources),
        viewer_headers=cdn.viewer_headers(resources),
    )


def _items(answer: Any) -> list[dict[str, Any]]:
    """The list in a control plane answer, which names it `item` on the wire."""
    found = (answer.get("item") or answer.get("items") or []) if isinstance(answer, dict) else []
    return found if isinstance(found, list) else [found]


def _account(resources: list[dict[str, Any]]) -> str:
    """The account of the deployed stacks, read from the first ARN among them."""
    for resource in resources:
        for text in (str(resource.get("physical_id")), str(resource.get("stack"))):
            parts = text.split(":")
            if len(parts) > 5 and parts[0] == "arn" and parts[4].isdigit():
                return parts[4]
    return os.environ.get("MINISTACK_ACCOUNT_ID", "000000000000")


def problem(status: int, code: str, title: str, detail: str) -> HttpResponse:
    """An answer of the front door itself, as application/problem+json (RFC 9457)."""
    body = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")


Handler = Callable[["FrontDoor", HttpRequest], Awaitable[HttpResponse]]


def own_pages(handler: Handler) -> Handler:
    """The handler of a route that changes state: requests that a browser sends for pages of other origins get a 403."""

    @wraps(handler)
    async def checked(self: FrontDoor, request: HttpRequest) -> HttpResponse:
        refusal = request_guard.foreign_page(request.headers.raw)
        if refusal:
            return problem(refusal.status, "FOREIGN_PAGE", "Foreign page", refusal.message.capitalize() + ".")
        return await handler(self, request)

    return checked


class FrontDoor:
    """The ASGI application's handlers. `executor` runs one request of an API to its response, in a thread, `fetch` one
    of the CDN.
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
        """GET /_front_door/apis"""
        try:
            deployment = await self._threaded(self._catalog.find, "")
        except EndpointDown as error:
            return _down(error)
        base = str(request.base_url).rstrip("/")
        apis = [
            {
                "service": api.service,
                "url": f"{base}/{api.service}",
                "api_id": api.api_id,
                "stage": api.stage.name,
                "routes": sorted(
                    f"{method} {path}" for path, methods in api.document.resources.items() for method in methods
                ),
            }
            for api in sorted(deployment.apis.values(), key=lambda api: api.service)
        ]
        return JSONResponse({"apis": apis})

    async def health(self, request: HttpRequest) -> HttpResponse:
        """GET /healthz"""
        return JSONResponse({"status": "ok", "apis": len(self._catalog.deployment.apis)})

    @own_pages
    async def reload(self, request: HttpRequest) -> HttpResponse:
        """POST /_front_door/reload"""
        try:
            deployment = await self._threaded(self._catalog.reload)
        except EndpointDown as error:
            return _down(error)
        self._executor.forget()
        self._forget()
        return JSONResponse({"apis": sorted(deployment.apis)})

    @own_pages
    async def throttles(self, request: HttpRequest) -> HttpResponse:
        """PUT /_front_door/throttles"""
        try:
            share = float((await request.json())["share"])
        except (KeyError, TypeError, ValueError):
            share = 0.0
        if not 0 < share <= 1:
            return problem(400, "INVALID_SHARE", "Invalid share", "share is a number above 0 and at most 1.")
        self._executor.scale_throttles(share)
        return JSONResponse({"share": share})

    async def api(self, http: HttpRequest) -> HttpResponse:
        """Anything else: /<service>/v1/<path>, which on AWS is a host of its own, and all that is no API's the CDN's."""
        raw_path = http.scope.get("raw_path") or http.scope["path"].encode()
        public_path = raw_path.decode("latin-1").split("?", 1)[0]
        service, _, rest = public_path.removeprefix("/").partition("/")
        try:
            deployment = self._catalog.deployment
            for_an_api = rest == "v1" or rest.startswith("v1/")
            if service not in deployment.apis and (for_an_api or not deployment.cdn):
                deployment = await self._threaded(self._catalog.find, service)
            api = deployment.apis.get(service)
            if deployment.cdn and not for_an_api:
                return await self._edge(http, deployment, public_path)
            if api is None:
                known = ", ".join(sorted(deployment.apis)) or "none"
                return problem(
                    404, "UNKNOWN_SERVICE", "Unknown service", f"No API is deployed as '{service}'. Deployed: {known}."
                )
            if not _ADDRESS.fullmatch(raw_path + http.scope.get("query_string", b"")):
                return problem(400, "INVALID_ADDRESS", "Invalid address", "Percent-encode it as RFC 3986 says.")
            request = await _request(http, public_path, "/" + rest)
            response = await self._threaded(self._executor.handle, deployment, api, request)
        except EndpointDown as error:
            return _down(error)
        return _http(response)

    async def _edge(self, http: HttpRequest, deployment: Deployment, public_path: str) -> HttpResponse:
        request = await _request(http, public_path, public_path, MAX_UPLOAD)
        # What a client sent in a header that the CDN sets is overwritten.
        own = tuple((name, request.source_ip) for name in deployment.viewer_headers)
        sent = tuple(pair for pair in request.headers if pair[0].lower() not in deployment.viewer_headers)
        request = replace(request, headers=sent + own)
        refusal = cdn.refuse(deployment, self._executor.firewall, request)
        if refusal is not None:
            return _http(refusal)
        query = http.scope.get("query_string", b"").decode("latin-1")
        target = public_path + (f"?{query}" if query else "")
        answer = await self._threaded(
            self._fetch, deployment.cdn, request.method, target, request.headers, request.body
        )
        return _http(Response(answer.status, list(answer.headers), answer.body))

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _down(error: EndpointDown) -> HttpResponse:
    LOG.warning("the local cloud does not answer: %s", error)
    answer = problem(503, "LOCAL_CLOUD_DOWN", "The local cloud does not answer", "Run `make start`, then try again.")
    answer.headers["Retry-After"] = "1"
    return answer


async def _request(http: HttpRequest, public_path: str, path: str, limit: int = MAX_BODY) -> Request:
    body = bytearray()
    async for chunk in http.stream():
        # One byte too many is enough to know; the rest is read and dropped so that the client hears the answer.
        if len(body) <= limit:
            body += chunk
    query = parse_qsl(http.scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    client = http.client.host if http.client else "127.0.0.1"
    headers = [(_cased(name.decode("latin-1")), value.decode("latin-1")) for name, value in http.scope["headers"]]
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


def _cased(name: str) -> str:
    """`Idempotency-Key` of `idempotency-key`: ASGI servers fold header names, API Gateway passes them as they were
    sent, and most clients send them so."""
    return "-".join(part.capitalize() for part in name.split("-"))


def _http(response: Response) -> HttpResponse:
    # RFC 9110, section 8.6: 204 and 304 have no content, and 204 no Content-Length either.
    empty = response.status in (204, 304)
    out = HttpResponse(b"" if empty else response.body, response.status)
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers]
    length = [] if empty else [(b"content-length", str(len(response.body)).encode())]
    out.raw_headers = headers + length
    return out


class _AnyMethod:
    """`handle` as an ASGI application of its own: Starlette asks a function for its methods, and an API has its own say."""

    def __init__(self, handle: Callable[[HttpRequest], Awaitable[HttpResponse]]) -> None:
        self._handle = handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Whoever goes away in the middle of a request needs no answer.
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
    # Not a route: those match no path with a line break in it, and an API answers any path.
    app.router.default = _AnyMethod(front_door.api)
    return app


def build(endpoint: str, region: str, stage: str) -> Starlette:
    """The application on the emulated AWS at `endpoint`."""
    root = aws_environment()
    key, secret = root["AWS_ACCESS_KEY_ID"], root["AWS_SECRET_ACCESS_KEY"]
    admin_headers = ((TOKEN_HEADER, token(secret)),)
    emulator = Emulator(endpoint, region, Credentials(key, secret), HttpPool(THREADS), admin_headers=admin_headers)
    session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=region)
    settings = Config(connect_timeout=2, read_timeout=5, retries={"max_attempts": 1})
    logs = session.client("logs", endpoint_url=endpoint, config=settings)

    def publish(namespace: str, data: list[dict[str, Any]]) -> None:
        content = {"Namespace": namespace, "MetricData": data}
        request = emulator_client.request
        request("POST", "/_setpieces/metrics", endpoint=endpoint, secret=secret, json=content).raise_for_status()

    telemetry = CloudWatch(logs, publish)
    executor = Executor(emulator, HttpPool(THREADS), telemetry)
    catalog = Catalog(lambda: read_deployment(emulator, stage))
    front_door = FrontDoor(catalog, executor, emulator.forget, partial(cdn.fetch, endpoint, token(secret)))
    return application(front_door, telemetry)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m local.front_door.server", description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1", choices=["127.0.0.1", "::1", "localhost"])
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--stage", default="local")
    parser.add_argument("--endpoint", default=os.environ.get("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"))
    parser.add_argument(
        "--region", default=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "eu-central-1"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # Metrics are published every few seconds, each time for every API.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    app = build(options.endpoint, options.region, options.stage)
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        http=Wire,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE,
    )


if __name__ == "__main__":
    main()
