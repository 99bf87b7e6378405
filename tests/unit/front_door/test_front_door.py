"""The front door's own behaviour: listing, reload, unknown services, an unreachable emulator, unchanged paths."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from apigw_executor.deployment import Api, Deployment, Stage
from apigw_executor.document import read
from apigw_executor.messages import Request, Response
from apigw_executor.ports import Answer, EndpointDown
from apigw_executor.routes import Routes
from apigw_executor.web_acl import Firewall, WebAcl
from local.front_door.application import FrontDoor, application
from local.front_door.catalog import Catalog
from local.front_door.cdn import Site

DOCUMENT = read({"paths": {"/v1/{p+}": {"x-amazon-apigateway-any-method": {}}}})
API = Api("shop", "api1", "setpieces-local-shop", "eu", "1", DOCUMENT, Routes(DOCUMENT.resources), Stage("local"))


class FakeExecutor:
    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.response = Response(201, [("X-A", "1"), ("Set-Cookie", "a"), ("Set-Cookie", "b")], b"body")
        self.fault: Exception | None = None
        self.forgot = 0
        self.shares: list[float] = []
        self.firewall = Firewall()

    def scale_throttles(self, share: float) -> None:
        self.shares.append(share)

    def handle(self, deployment: Deployment, api: Api, request: Request) -> Response:
        self.requests.append(request)
        if self.fault:
            raise self.fault
        return self.response

    def forget(self) -> None:
        self.forgot += 1


class World:
    def __init__(self) -> None:
        self.executor, self.now, self.read = FakeExecutor(), 0.0, 0
        self.deployed: Site | Exception = Site({"shop": API})
        self.forgot: list[bool] = []

        def source() -> Site:
            self.read += 1
            if isinstance(self.deployed, Exception):
                raise self.deployed
            return self.deployed

        self.catalog = Catalog(source, lambda: self.now)
        self.fetched: list[tuple[Any, ...]] = []
        self.from_cdn: Answer | Exception = Answer(
            301, (("Location", "/new"), ("X-Cache", "Miss from cloudfront")), b""
        )

        def fetch(*request: Any) -> Answer:
            self.fetched.append(request)
            if isinstance(self.from_cdn, Exception):
                raise self.from_cdn
            return self.from_cdn

        self.door = FrontDoor(self.catalog, self.executor, lambda: self.forgot.append(True), fetch, threads=4)  # type: ignore[arg-type]
        self.app = application(self.door)

    def send(
        self, method: str, raw: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """One request straight into the ASGI application, its path as it would come off the wire."""
        path, _, query = raw.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1:8080")]
            + [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
            "client": ("127.0.0.1", 5),
            "server": ("127.0.0.1", 8080),
        }
        messages: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def collect(message: Any) -> None:
            messages.append(message)

        asyncio.run(self.app(scope, receive, collect))
        pairs = [(name.decode(), value.decode()) for name, value in messages[0]["headers"]]
        return messages[0]["status"], pairs, b"".join(message.get("body", b"") for message in messages[1:])


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/shop/v1/a%2Fb", "/v1/a%2Fb"),
        ("/shop/v1/../x", "/v1/../x"),
        ("/shop//v1/A", "//v1/A"),
        ("/shop", "/"),
        ("/shop/v1/%zz%", "/v1/%zz%"),
    ],
)
def test_paths_reach_the_api_unchanged(world: World, raw: str, path: str) -> None:
    status, headers, body = world.send("PATCH", raw + "?a=1&a=&b=%2F", b"in", {"idempotency-key": "k"})
    assert (status, body) == (201, b"body")
    assert [value for name, value in headers if name == "set-cookie"] == ["a", "b"]
    assert dict(headers)["content-length"] == "4"
    request = world.executor.requests[0]
    assert (request.method, request.path, request.public_path, request.body) == ("PATCH", path, raw, b"in")
    assert request.query == (("a", "1"), ("a", ""), ("b", "/"))
    assert request.header("Idempotency-Key") == "k"
    assert ("Idempotency-Key", "k") in request.headers
    assert request.header("X-Forwarded-For") == "127.0.0.1"
    assert request.header("X-Forwarded-Port") == "8080"


def test_any_method_reaches_the_api(world: World) -> None:
    for method in ("GET", "TRACE", "PROPFIND", "OPTIONS"):
        assert world.send(method, "/shop/v1/x")[0] == 201


def test_a_response_without_content_has_no_body(world: World) -> None:
    world.executor.response = Response(204, [("Content-Type", "application/json")], b"ignored")
    status, headers, body = world.send("DELETE", "/shop/v1/x")
    assert (status, body, "content-length" in dict(headers)) == (204, b"", False)


def test_listing_and_health(world: World) -> None:
    status, _, body = world.send("GET", "/_front_door/apis")
    listed_api = json.loads(body)["apis"][0]
    assert (status, listed_api["service"], listed_api["routes"]) == (200, "shop", ["ANY /v1/{p+}"])
    assert listed_api["url"] == "http://127.0.0.1:8080/shop"
    assert json.loads(world.send("GET", "/healthz")[2]) == {"status": "ok", "apis": 1}


def test_an_unknown_service_reloads_the_deployment_once_a_second(world: World) -> None:
    status, headers, body = world.send("GET", "/nope/v1")
    assert (status, json.loads(body)["code"]) == (404, "UNKNOWN_SERVICE")
    assert dict(headers)["content-type"] == "application/problem+json"
    world.send("GET", "/nope/v1")
    assert world.read == 1
    world.now += 1.5
    world.deployed = Site({"shop": API, "nope": API})
    assert world.send("GET", "/nope/v1")[0] == 201
    assert world.read == 2


@pytest.mark.parametrize(
    "target", ["/old/page?a=%2F&a=b", "/%2e%2e//x", "/shop.html", "/nope/v2/x", "/v1/", "/", "/shop", "/shop/1"]
)
def test_a_path_of_no_service_goes_to_the_cdn(world: World, target: str) -> None:
    world.deployed = Site({"shop": API}, domain="d1.cloudfront.net")
    world.catalog.reload()
    status, headers, body = world.send("GET", target, headers={"Accept-Language": "de"})
    assert (status, dict(headers)["location"], body) == (301, "/new", b"")
    [(cdn, method, request_target, passed, content)] = world.fetched
    assert (cdn, method, request_target, content) == ("d1.cloudfront.net", "GET", target, b"")
    assert ("Accept-Language", "de") in passed
    # Once as it began: for a path that is no API's nothing is read again.
    assert world.read == 1


def test_services_take_precedence_over_the_cdn(world: World) -> None:
    world.deployed = Site({"shop": API}, domain="d1.cloudfront.net")
    world.catalog.reload()
    assert world.send("GET", "/shop/v1/x")[0] == 201
    assert world.send("GET", "/nope/v1/x")[0] == 404
    assert world.fetched == []


def test_an_unresponsive_cdn_is_reported(world: World) -> None:
    world.deployed = Site({}, domain="d1.cloudfront.net")
    world.catalog.reload()
    world.from_cdn = EndpointDown("refused")
    status, _, body = world.send("GET", "/old")
    assert (status, json.loads(body)["code"]) == (503, "LOCAL_CLOUD_DOWN")


def test_a_reload_reads_the_deployment_and_clears_caches(world: World) -> None:
    assert json.loads(world.send("POST", "/_front_door/reload")[2]) == {"apis": ["shop"]}
    assert (world.read, world.executor.forgot, world.forgot) == (1, 1, [True])


def test_throttles_are_scaled_by_a_share(world: World) -> None:
    statuses = [world.send("PUT", "/_front_door/throttles", json.dumps({"share": s}).encode())[0] for s in (0.01, 1)]
    assert (statuses, world.executor.shares) == ([200, 200], [0.01, 1])
    for body in (b"", b"[]", b'{"share": 0}', b'{"share": 1.1}', b'{"share": "x"}', b'{"share": NaN}'):
        assert world.send("PUT", "/_front_door/throttles", body)[0] == 400
    assert world.executor.shares == [0.01, 1]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://attacker.example"}, 403),
        ({"Origin": "http://127.0.0.1:9999", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_pages_of_other_origins_change_nothing(world: World, headers: dict[str, str], status: int) -> None:
    assert world.send("POST", "/_front_door/reload", headers=headers)[0] == status
    assert world.send("PUT", "/_front_door/throttles", b'{"share": 0.5}', headers)[0] == status
    assert (world.read, world.executor.shares) == ((1, [0.5]) if status == 200 else (0, []))


def test_an_unreachable_emulator_is_503_with_a_remedy(world: World) -> None:
    world.deployed = EndpointDown("refused")
    for method, path in (("GET", "/"), ("GET", "/shop/v1/x"), ("POST", "/_front_door/reload")):
        status, headers, body = world.send(method, path)
        world.now += 2
        assert (status, dict(headers)["content-type"]) == (503, "application/problem+json")
        assert "make start" in json.loads(body)["detail"]
        assert dict(headers)["retry-after"] == "1"
    world.deployed = Site({"shop": API})
    world.executor.fault = EndpointDown("refused")
    assert world.send("GET", "/shop/v1/x")[0] == 503
    assert world.send("GET", "/healthz")[0] == 200


def test_concurrent_requests_read_the_deployment_once(world: World) -> None:
    threads = [threading.Thread(target=world.catalog.find, args=("nope",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.read == 1


def test_a_body_over_the_limit_is_not_kept(world: World) -> None:
    world.send("POST", "/shop/v1/x", b" " * (10 * 1024 * 1024 + 5))
    assert len(world.executor.requests[0].body) > 10 * 1024 * 1024


LIMITED = WebAcl(
    "arn:acl",
    "edge",
    (
        {
            "Name": "rate",
            "Priority": 0,
            "Action": {"Block": {"CustomResponse": {"ResponseCode": 429, "CustomResponseBodyKey": "slow"}}},
            "Statement": {
                "RateBasedStatement": {
                    "Limit": 10,
                    "AggregateKeyType": "FORWARDED_IP",
                    "ForwardedIPConfig": {"HeaderName": "X-Viewer-Address", "FallbackBehavior": "MATCH"},
                }
            },
        },
    ),
    {"Allow": {}},
    {"slow": {"ContentType": "TEXT_PLAIN", "Content": "Slow down."}},
)


def test_the_load_balancers_web_acl_ignores_viewer_addresses_sent_by_clients(world: World) -> None:
    world.deployed = Site(
        web_acls={"arn:aws:elasticloadbalancing:eu:1:loadbalancer/app/b/1": LIMITED},
        domain="d1.cloudfront.net",
        files=("/sitemaps/*",),
        viewer_headers=("x-viewer-address",),
    )
    world.catalog.reload()
    responses = [world.send("GET", "/", headers={"X-Viewer-Address": f"192.0.2.{n}"}) for n in range(11)]
    assert [status for status, _, _ in responses] == [301] * 10 + [429]
    assert responses[-1][2] == b"Slow down."
    assert world.send("GET", "/sitemaps/1.xml")[0] == 301, "a file comes from the bucket, past the load balancer"
    viewer_addresses = [value for name, value in world.fetched[0][3] if name.lower() == "x-viewer-address"]
    assert viewer_addresses == ["127.0.0.1"]


def test_an_upload_of_a_page_reaches_the_cdn_complete(world: World) -> None:
    world.deployed = Site(domain="d1.cloudfront.net")
    world.catalog.reload()
    world.send("POST", "/admin/feeds", b"0" * 21 * 1024**2)
    assert len(world.fetched[0][4]) == 21 * 1024**2
