"""A request through a whole API, with fakes for everything outside: the order of the checks and what each answers."""

from __future__ import annotations

import base64
import json
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from local.gateway.deployment import Api, ApiKey, Deployment, Stage, UsagePlan
from local.gateway.document import read
from local.gateway.executor import Clock, Executor
from local.gateway.messages import Pairs, Request, Response
from local.gateway.ports import Answer, BackendTimeout, EmulatorDown, IamDecision, Invocation, RoleUnusable
from local.gateway.routes import Routes
from local.gateway.services import ServiceRequest
from local.gateway.throttles import Limits, Quota
from local.gateway.web_acl import WebAcl

REGION, ACCOUNT = "eu-central-1", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/integration"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
AUTHORIZER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:auth"


def lambda_uri(function: str) -> str:
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"


class FakeCloud:
    """Returns the configured response and records the requests."""

    def __init__(self) -> None:
        self.invocations: list[tuple[str, Any, str | None, bool]] = []
        self.calls: list[tuple[ServiceRequest, str]] = []
        self.results: dict[str, Any] = {FUNCTION: {"statusCode": 200, "body": "ok"}}
        self.answer = Answer(200, (), b"{}")
        self.iam = IamDecision(True, principal_arn="arn:aws:iam::123456789012:user/u", account_id=ACCOUNT)
        self.policy: Mapping[str, Any] | None = {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "apigateway.amazonaws.com"},
                    "Action": "lambda:InvokeFunction",
                    "Resource": "*",
                    "Condition": {"ArnLike": {"AWS:SourceArn": f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api1/*"}},
                }
            ]
        }

    def invoke(
        self, function_arn: str, payload: bytes, *, role: str | None, asynchronous: bool, timeout: float
    ) -> Invocation:
        event = json.loads(payload)
        self.invocations.append((function_arn, event, role, asynchronous))
        result = self.results[function_arn]
        result = result(event) if callable(result) else result
        if isinstance(result, Exception):
            raise result
        if isinstance(result, Invocation):
            return result
        return Invocation(200, json.dumps(result).encode())

    def call(self, request: ServiceRequest, *, role: str, timeout: float) -> Answer:
        self.calls.append((request, role))
        if role.endswith("/missing"):
            raise RoleUnusable("no such role")
        return self.answer

    def function_policy(self, function_arn: str) -> Mapping[str, Any] | None:
        return self.policy

    def authorize(self, request: Request, resource: str) -> IamDecision:
        return self.iam


class FakeWeb:
    def __init__(self) -> None:
        self.sent: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answer = Answer(200, (("Content-Type", "text/plain"), ("Server", "x")), b"web")

    def send(self, method: str, url: str, headers: Pairs, body: bytes, *, timeout: float) -> Answer:
        self.sent.append((method, url, dict(headers), body))
        return self.answer


class FakeTelemetry:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.requests: list[tuple[Any, ...]] = []

    def access(self, destination: str, line: str) -> None:
        self.lines.append((destination, line))

    def request(self, *values: Any) -> None:
        self.requests.append(values)


class FakeClock:
    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        return self.at


class World:
    """One API of `document` in front of fakes."""

    def __init__(self, paths: Mapping[str, Any], *, stage: Stage | None = None, **document: Any) -> None:
        self.cloud, self.web, self.telemetry, self.clock = FakeCloud(), FakeWeb(), FakeTelemetry(), FakeClock()
        raw = {"openapi": "3.0.1", "paths": paths, **{key.replace("_", "-"): value for key, value in document.items()}}
        parsed = read(raw)
        self.api = Api(
            "shop",
            "api1",
            "setpieces-local-shop",
            REGION,
            ACCOUNT,
            parsed,
            Routes(parsed.resources),
            stage or Stage("local"),
        )
        self.deployment = Deployment({"shop": self.api})
        self.executor = Executor(self.cloud, self.web, self.telemetry, Clock(self.clock, self.clock))

    def send(
        self,
        method: str,
        path: str,
        body: Any = b"",
        headers: Mapping[str, str] | None = None,
        query: Pairs = (),
    ) -> Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = Request(method, path, tuple((headers or {}).items()), query, raw, public_path=f"/shop{path}")
        return self.executor.handle(self.deployment, self.api, request)


def proxy(**over: Any) -> dict[str, Any]:
    integration = {"type": "aws_proxy", "httpMethod": "POST", "uri": lambda_uri(FUNCTION)}
    return {"responses": {}, "x-amazon-apigateway-integration": integration, **over}


def direct(**over: Any) -> dict[str, Any]:
    integration = {
        "type": "aws",
        "httpMethod": "POST",
        "uri": f"arn:aws:apigateway:{REGION}:dynamodb:action/UpdateItem",
        "credentials": ROLE,
        "passthroughBehavior": "never",
        "requestTemplates": {"application/json": '{"Key":"$input.params(\'id\')","body":$input.json(\'$\')}'},
        "responses": {"default": {"statusCode": "200"}},
        **over,
    }
    return {"responses": {}, "x-amazon-apigateway-integration": integration}


def body_of(response: Response) -> Any:
    return json.loads(response.body)


def test_lambda_proxy_event_and_response() -> None:
    world = World({"/v1/things/{id}": {"get": proxy()}}, stage=Stage("local", {"colour": "red"}))
    world.cloud.results[FUNCTION] = {
        "statusCode": "201",
        "headers": {"X-A": "1", "Server": "mine"},
        "multiValueHeaders": {"Set-Cookie": ["a", "b"]},
        "body": "é",
    }
    response = world.send("GET", "/v1/things/a%20b%2Fc", headers={"X-B": "2"}, query=(("q", "1"), ("q", "2")))
    assert response.status == 201
    assert response.body == "é".encode()
    assert [value for name, value in response.headers if name == "Set-Cookie"] == ["a", "b"]
    assert response.header("x-amzn-remapped-server") == "mine"
    assert response.header("content-type") == "application/json"
    assert response.header("x-amzn-requestid")
    event = world.cloud.invocations[0][1]
    assert event["resource"] == "/v1/things/{id}"
    assert event["path"] == "/shop/v1/things/a%20b%2Fc"
    assert event["pathParameters"] == {"id": "a%20b%2Fc"}
    assert event["queryStringParameters"] == {"q": "2"}
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "2"]}
    assert event["stageVariables"] == {"colour": "red"}
    assert event["headers"]["X-B"] == "2"
    assert event["headers"]["X-Amzn-Trace-Id"].startswith("Root=1-")
    assert event["body"] is None
    assert event["isBase64Encoded"] is False
    context = event["requestContext"]
    assert context["path"] == "/shop/v1/things/a%20b%2Fc"
    assert context["resourcePath"] == "/v1/things/{id}"
    assert context["requestId"] == response.header("x-amzn-requestid")
    assert {"extendedRequestId", "identity", "domainName", "apiId", "stage", "requestTimeEpoch"} <= set(context)


def test_direct_integration_signs_for_its_role_and_sends_the_rendered_template() -> None:
    world = World({"/v1/{id}": {"post": direct()}})
    response = world.send("POST", "/v1/a%2Fb", {"n": 1})
    assert response.status == 200
    request, role = world.cloud.calls[0]
    assert role == ROLE
    assert request.headers["X-Amz-Target"] == "DynamoDB_20120810.UpdateItem"
    assert request.headers["Content-Type"] == "application/x-amz-json-1.0"
    assert json.loads(request.body) == {"Key": "a/b", "body": {"n": 1}}


def test_unknown_route_is_the_documents_own_response() -> None:
    assert World({}).send("GET", "/nowhere").status == 403
    rules = {
        "MISSING_AUTHENTICATION_TOKEN": {
            "statusCode": "404",
            "responseTemplates": {"application/problem+json": '{"status":404,"instance":"$context.path"}'},
            "responseParameters": {"gatewayresponse.header.Cache-Control": "'no-store'"},
        }
    }
    response = World({}, x_amazon_apigateway_gateway_responses=rules).send("GET", "/nowhere")
    assert response.status == 404
    assert response.header("content-type") == "application/problem+json"
    assert response.header("cache-control") == "no-store"
    assert response.header("x-amzn-errortype") == "MissingAuthenticationTokenException"
    assert body_of(response) == {"status": 404, "instance": "/shop/nowhere"}


# --- gateway responses and order ---

API_KEY_SCHEME = {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}
IAM_SCHEME = {
    "sigv4": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"}
}


def authorizer_scheme(**over: Any) -> dict[str, Any]:
    authorizer = {
        "type": "request",
        "authorizerUri": lambda_uri(AUTHORIZER),
        "identitySource": "method.request.header.Authorization",
        "authorizerResultTtlInSeconds": 60,
        **over,
    }
    return {
        "session": {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": authorizer,
        }
    }


def secured(paths: Mapping[str, Any], schemes: Mapping[str, Any], **document: Any) -> World:
    document.setdefault("security", [{name: []} for name in schemes])
    return World(paths, components={"securitySchemes": schemes}, **document)


def allow(resource: str, effect: str = "Allow", **over: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}
    return {"principalId": "p", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, **over}


def own_customer(event: dict[str, Any]) -> dict[str, Any]:
    """An Allow for the paths of the customer that the token names, and of no other."""
    customer = event["headers"]["Authorization"].removeprefix("Bearer ")
    base = event["methodArn"].split("/", 2)[0]
    return allow(f"{base}/local/*/v1/customers/{customer}/*", context={"customer": customer, "level": 3, "vip": True})


CUSTOMERS = {"/v1/customers/{id}/profile": {"get": proxy(), "patch": proxy()}}


def test_a_cached_allow_of_customer_a_does_not_open_customer_b() -> None:
    world = secured(CUSTOMERS, authorizer_scheme())
    world.cloud.results[AUTHORIZER] = own_customer
    headers = {"Authorization": "Bearer A"}
    assert world.send("GET", "/v1/customers/A/profile", headers=headers).status == 200
    assert world.send("PATCH", "/v1/customers/A/profile", headers=headers).status == 200
    for path in ("B", "a", "A%2F..%2FB", "%41", "*", "?", "A/../B"):
        response = world.send("GET", f"/v1/customers/{path}/profile", headers=headers)
        assert response.status == 403, path
    events = [event for function, event, _, _ in world.cloud.invocations if function == AUTHORIZER]
    assert len(events) == 1
    assert world.send("GET", "/v1/customers/B/profile", headers={"Authorization": "Bearer B"}).status == 200


def test_the_cache_ends_with_its_time_and_with_a_deploy() -> None:
    world = secured(CUSTOMERS, authorizer_scheme())
    world.cloud.results[AUTHORIZER] = own_customer

    def asked_after(seconds: float) -> int:
        world.clock.at += seconds
        world.send("GET", "/v1/customers/A/profile", headers={"Authorization": "Bearer A"})
        return sum(function == AUTHORIZER for function, *_ in world.cloud.invocations)

    assert [asked_after(0), asked_after(59), asked_after(1.5)] == [1, 1, 2]
    world.executor.forget()
    assert asked_after(0) == 3


def test_authorizer_event_and_context() -> None:
    world = secured(CUSTOMERS, authorizer_scheme())
    world.cloud.results[AUTHORIZER] = own_customer
    world.send("GET", "/v1/customers/A/profile", headers={"Authorization": "Bearer A"}, query=(("a", "b"),))
    (_, request, role, _), (_, event, _, _) = world.cloud.invocations
    assert role is None
    assert request["type"] == "REQUEST"
    assert request["methodArn"] == f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api1/local/GET/v1/customers/A/profile"
    assert request["queryStringParameters"] == {"a": "b"}
    assert "body" not in request
    assert event["requestContext"]["authorizer"] == {"customer": "A", "level": "3", "vip": "true", "principalId": "p"}


def lambda_error(message: str) -> Invocation:
    return Invocation(200, json.dumps({"errorMessage": message, "errorType": "Exception"}).encode(), "Unhandled")


@pytest.mark.parametrize(
    ("result", "status", "kind"),
    [
        (lambda_error("Unauthorized"), 401, "UNAUTHORIZED"),
        (lambda_error("unauthorized"), 500, "AUTHORIZER_FAILURE"),
        (BackendTimeout("slow"), 500, "AUTHORIZER_FAILURE"),
        (Invocation(429, b"{}"), 500, "AUTHORIZER_FAILURE"),
        ({"principalId": "p"}, 500, "AUTHORIZER_CONFIGURATION_ERROR"),
        (allow("*", principalId=""), 500, "AUTHORIZER_CONFIGURATION_ERROR"),
        (allow("*", "Perhaps"), 500, "AUTHORIZER_CONFIGURATION_ERROR"),
        (allow("*", context={"a": ["b"]}), 500, "AUTHORIZER_CONFIGURATION_ERROR"),
        (None, 500, "AUTHORIZER_CONFIGURATION_ERROR"),
        (allow("*", "Deny", context={"reason": "OTHER"}), 403, "ACCESS_DENIED"),
        (allow("arn:aws:execute-api:*/other/*"), 403, "ACCESS_DENIED"),
    ],
)
def test_authorizer_outcomes(result: Any, status: int, kind: str) -> None:
    template = '{"kind":"$context.error.responseType","reason":"$context.authorizer.reason"}'
    rules = {name: {"responseTemplates": {"application/json": template}} for name in ("DEFAULT_4XX", "DEFAULT_5XX")}
    world = secured(CUSTOMERS, authorizer_scheme(), x_amazon_apigateway_gateway_responses=rules)
    world.cloud.results[AUTHORIZER] = result
    for _ in range(2):
        response = world.send("GET", "/v1/customers/A/profile", headers={"Authorization": "x"})
        assert (response.status, body_of(response)["kind"]) == (status, kind)
    assert body_of(response)["reason"] == ("OTHER" if isinstance(result, dict) and "OTHER" in str(result) else "")
    # A policy is cached, a failure never is.
    assert len(world.cloud.invocations) == (1 if kind == "ACCESS_DENIED" else 2)


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}])
def test_without_an_identity_source_the_authorizer_is_not_called(headers: dict[str, str]) -> None:
    world = secured(CUSTOMERS, authorizer_scheme())
    assert world.send("GET", "/v1/customers/A/profile", headers=headers).status == 401
    assert world.cloud.invocations == []


def test_token_authorizer() -> None:
    over = {"type": "token", "identityValidationExpression": "Bearer [a-z]+", "identitySource": None}
    world = secured(CUSTOMERS, authorizer_scheme(**over))
    world.cloud.results[AUTHORIZER] = lambda event: allow("*", context={"seen": event["authorizationToken"]})
    assert world.send("GET", "/v1/customers/A/profile", headers={"Authorization": "Basic x"}).status == 401
    assert world.cloud.invocations == []
    assert world.send("GET", "/v1/customers/A/profile", headers={"Authorization": "Bearer x"}).status == 200
    assert set(world.cloud.invocations[0][1]) == {"type", "methodArn", "authorizationToken"}


def test_iam() -> None:
    world = secured({"/x": {"get": proxy()}}, IAM_SCHEME)
    assert world.send("GET", "/x").status == 403
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=..."}
    assert world.send("GET", "/x", headers=signed).status == 200
    identity = world.cloud.invocations[0][1]["requestContext"]["identity"]
    assert identity["userArn"].endswith(":user/u")
    for code, kind in {
        "AccessDenied": "AccessDeniedException",
        "SignatureDoesNotMatch": "InvalidSignatureException",
        "ExpiredToken": "ExpiredTokenException",
        "InvalidClientTokenId": "InvalidSignatureException",
    }.items():
        world.cloud.iam = IamDecision(False, code, "no")
        response = world.send("GET", "/x", headers=signed)
        assert (response.status, response.header("x-amzn-errortype")) == (403, kind)


def keyed(plan: UsagePlan, enabled: bool = True) -> World:
    world = secured({"/x": {"get": proxy()}}, API_KEY_SCHEME)
    key = ApiKey("k1", enabled, ("plan",))
    world.deployment = Deployment({"shop": world.api}, {"secret": key}, {"plan": plan})
    return world


def test_api_keys_and_usage_plans() -> None:
    stages: dict[tuple[str, str], Any] = {("api1", "local"): {}}
    world = keyed(UsagePlan("plan", stages, Limits(1, 2), Quota(3, "DAY")))
    assert world.send("GET", "/x").status == 403
    assert world.send("GET", "/x", headers={"x-api-key": "guess"}).status == 403
    send = lambda: world.send("GET", "/x", headers={"X-API-Key": "secret"})  # noqa: E731
    assert [send().status for _ in range(3)] == [200, 200, 429]
    world.clock.at += 2
    assert send().status == 200
    last = send()
    assert (last.status, last.header("x-amzn-errortype")) == (429, "LimitExceededException")
    world.clock.at += 86_400
    assert send().status == 200
    assert world.cloud.invocations[0][1]["requestContext"]["identity"]["apiKeyId"] == "k1"


def test_a_key_of_another_stage_or_disabled_opens_nothing() -> None:
    headers = {"x-api-key": "secret"}
    assert (
        keyed(UsagePlan("plan", {("api2", "local"): {}}, None, None)).send("GET", "/x", headers=headers).status == 403
    )
    mine = UsagePlan("plan", {("api1", "local"): {}}, None, None)
    assert keyed(mine, enabled=False).send("GET", "/x", headers=headers).status == 403
    assert keyed(mine).send("GET", "/x", headers=headers).status == 200


def test_stage_throttling_by_method() -> None:
    limits = {("/*", "*"): Limits(1, 3), ("/a", "GET"): Limits(1, 1)}
    world = World(
        {"/a": {"get": proxy()}, "/b": {"get": proxy()}, "/c": {"get": proxy()}}, stage=Stage("local", limits=limits)
    )
    assert [world.send("GET", "/a").status for _ in range(2)] == [200, 429]
    assert [world.send("GET", path).status for path in ("/b", "/c", "/b", "/c")] == [200, 200, 200, 429]
    world.clock.at += 1
    assert [world.send("GET", "/a").status, world.send("GET", "/b").status] == [200, 200]


def test_a_share_of_the_throttles_counts_until_the_deployment_is_read_again() -> None:
    world = World({"/a": {"get": proxy()}}, stage=Stage("local", limits={("/*", "*"): Limits(1, 4)}))
    world.executor.scale_throttles(0.5)
    assert [world.send("GET", "/a").status for _ in range(3)] == [200, 200, 429]
    world.executor.forget()
    assert [world.send("GET", "/a").status for _ in range(5)] == [200, 200, 200, 200, 429]


def test_the_order_of_the_checks() -> None:
    """A request that is wrong in every way is refused for the first reason; each one put right shows the next."""
    validators = {"all": {"validateRequestBody": True, "validateRequestParameters": True}}
    schema = {"type": "object", "required": ["n"]}
    operation = {
        **direct(),
        "parameters": [{"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}],
        "requestBody": {"content": {"application/json": {"schema": schema}, "text/plain": {"schema": schema}}},
    }
    schemes = {**authorizer_scheme(), **API_KEY_SCHEME}
    world = secured(
        {"/x": {"post": operation}},
        schemes,
        x_amazon_apigateway_request_validators=validators,
        x_amazon_apigateway_request_validator="all",
    )
    world.cloud.results[AUTHORIZER] = allow("*")
    plan = UsagePlan("plan", {("api1", "local"): {}}, None, None)
    world.deployment = Deployment({"shop": world.api}, {"k": ApiKey("k", True, ("plan",))}, {"plan": plan})
    headers = {"Content-Type": "text/plain"}

    def status(method: str = "POST", body: Any = b"", query: Pairs = ()) -> tuple[int, str | None]:
        response = world.send(method, "/x", body, headers, query)
        return response.status, response.header("x-amzn-errortype")

    assert status("DELETE") == (403, "MissingAuthenticationTokenException")
    assert status() == (401, "UnauthorizedException")
    headers["Authorization"] = "t"
    assert status() == (403, "ForbiddenException")
    headers["x-api-key"] = "k"
    assert status() == (400, "BadRequestException")
    assert status(query=(("q", "1"),)) == (400, "BadRequestException")
    assert status(body={"n": 1}, query=(("q", "1"),)) == (415, "BadRequestException")
    headers["Content-Type"] = "application/json; charset=utf-8"
    assert status(body={"n": 1}, query=(("q", "1"),)) == (200, None)


def test_resource_policy() -> None:
    document = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "execute-api:Invoke",
                "Resource": "execute-api:/local/GET/*",
            },
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "execute-api:Invoke",
                "Resource": "execute-api:/local/GET/b",
                "Condition": {"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}},
            },
        ]
    }
    paths = {"/a": {"get": proxy(), "put": proxy()}, "/b": {"get": proxy()}}
    world = World(paths, x_amazon_apigateway_policy=document)
    assert [world.send("GET", "/a").status, world.send("PUT", "/a").status, world.send("GET", "/b").status] == [
        200,
        403,
        403,
    ]


@pytest.mark.parametrize(
    ("by_policy", "by_authorizer", "status"),
    [
        ("local/GET/x", allow("*"), 200),
        ("local/GET/x", allow("other"), 200),
        ("local/GET/x", allow("*", "Deny"), 403),
        ("local/GET/other", allow("*"), 200),
        ("local/GET/other", allow("other"), 403),
    ],
)
def test_resource_policy_beside_an_authorizer(by_policy: str, by_authorizer: Any, status: int) -> None:
    rule = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "execute-api:Invoke",
        "Resource": f"execute-api:/{by_policy}",
    }
    world = secured({"/x": {"get": proxy()}}, authorizer_scheme(), x_amazon_apigateway_policy={"Statement": [rule]})
    world.cloud.results[AUTHORIZER] = by_authorizer
    assert world.send("GET", "/x", headers={"Authorization": "t"}).status == status


# --- integrations ---


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ({}, 200),
        ({"statusCode": "204"}, 204),
        ({"statusCode": 200, "body": {"a": 1}}, 502),
        ({"statusCode": 99}, 502),
        ({"statusCode": True}, 502),
        ({"statusCode": 200, "extra": 1}, 502),
        ({"statusCode": 200, "headers": {"a": ["b"]}}, 502),
        ({"statusCode": 200, "headers": {"bad name": "b"}}, 502),
        ({"statusCode": 200, "headers": [1]}, 502),
        ({"statusCode": 200, "multiValueHeaders": {"a": "b"}}, 502),
        ("text", 502),
        (None, 502),
        ([1], 502),
        (lambda_error("boom"), 502),
        (Invocation(200, b"not json"), 502),
        (Invocation(429, b"{}"), 500),
        (BackendTimeout("slow"), 504),
    ],
)
def test_lambda_proxy_results(result: Any, status: int) -> None:
    world = World({"/x": {"get": proxy()}})
    world.cloud.results[FUNCTION] = result
    assert world.send("GET", "/x").status == status


def test_header_values_stay_on_their_line() -> None:
    world = World({"/x": {"get": proxy()}})
    world.cloud.results[FUNCTION] = {"headers": {"X-A": "a\r\nX-Evil: 1", "X-N": 5, "X-B": True}}
    response = world.send("GET", "/x")
    assert (response.header("x-a"), response.header("x-n"), response.header("x-b")) == ("a  X-Evil: 1", "5", "true")


def test_a_function_must_allow_this_api() -> None:
    world = World({"/x": {"get": proxy()}})
    policies: tuple[dict[str, Any] | None, ...] = (None, {"Statement": []}, {"bad": 1})
    for policy in policies:
        world.cloud.policy = policy
        assert world.send("GET", "/x").status == 500
    assert world.cloud.invocations == []


def test_binary_bodies() -> None:
    world = World({"/x": {"post": proxy()}}, x_amazon_apigateway_binary_media_types=["image~1png"])
    world.cloud.results[FUNCTION] = {"body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True}
    headers = {"Content-Type": "image/png", "Accept": "image/png"}
    assert world.send("POST", "/x", b"\x89PNG", headers).body == b"\x00\xff"
    event = world.cloud.invocations[0][1]
    assert (event["body"], event["isBase64Encoded"]) == (base64.b64encode(b"\x89PNG").decode(), True)
    # Without an Accept of a binary type the base64 is the answer, as in AWS.
    assert world.send("POST", "/x", b"{}", {"Accept": "text/html"}).body == base64.b64encode(b"\x00\xff")


@pytest.mark.parametrize(
    ("behavior", "templates", "content_type", "status"),
    [
        ("never", True, "application/json", 200),
        ("never", True, None, 200),
        ("never", True, "APPLICATION/JSON; charset=utf-8", 200),
        ("never", True, "text/plain", 415),
        ("never", False, "application/json", 415),
        ("when_no_templates", True, "text/plain", 415),
        ("when_no_templates", False, "text/plain", 200),
        ("when_no_match", True, "text/plain", 200),
        ("when_no_match", False, None, 200),
    ],
)
def test_passthrough(behavior: str, templates: bool, content_type: str | None, status: int) -> None:
    over: dict[str, Any] = {"passthroughBehavior": behavior}
    if not templates:
        over["requestTemplates"] = {}
    world = World({"/x": {"post": direct(**over)}})
    headers = {"Content-Type": content_type} if content_type else {}
    assert world.send("POST", "/x", b'{"raw":1}', headers).status == status
    if status == 200 and not (templates and content_type != "text/plain"):
        assert world.cloud.calls[0][0].body == b'{"raw":1}'


def test_response_selection_templates_and_overrides() -> None:
    responses = {
        "200": {
            "statusCode": "201",
            "responseTemplates": {"application/json": "{\"v\":$input.path('$.Attributes.num.N')}"},
            "responseParameters": {
                "method.response.header.Location": "integration.response.body.Attributes.num.N",
                "method.response.header.Cache-Control": "'no-store'",
                "method.response.header.X-Id": "integration.response.header.x-amzn-requestid",
                "method.response.header.X-Ctx": "context.requestId",
                "method.response.header.X-None": "integration.response.header.nope",
            },
        },
        "4\\d{2}": {
            "statusCode": "400",
            "responseTemplates": {
                "application/problem+json": "#set($t = $input.path('$.__type'))"
                "#if($t.contains('Conditional'))#set($context.responseOverride.status = 404)"
                "#set($context.responseOverride.header.X-Why = 'gone')#end"
                '{"status":$context.responseOverride.status}'
            },
        },
        "default": {"statusCode": "503", "responseTemplates": {"application/json": "{}"}},
    }
    world = World({"/x": {"post": direct(responses=responses)}})
    world.cloud.answer = Answer(200, (("x-amzn-RequestId", "r"),), b'{"Attributes":{"num":{"N":"7"}}}')
    response = world.send("POST", "/x", {})
    assert (response.status, body_of(response)) == (201, {"v": 7})
    assert [response.header(name) for name in ("location", "cache-control", "x-id", "x-none")] == [
        "7",
        "no-store",
        "r",
        None,
    ]
    world.cloud.answer = Answer(400, (), b'{"__type":"x#ConditionalCheckFailedException"}')
    response = world.send("POST", "/x", {})
    assert (response.status, body_of(response), response.header("x-why")) == (404, {"status": 404}, "gone")
    assert response.header("content-type") == "application/problem+json"
    world.cloud.answer = Answer(500, (), b"")
    assert world.send("POST", "/x", {}).status == 503


def test_no_response_for_the_status_is_a_configuration_error() -> None:
    world = World({"/x": {"post": direct(responses={"200": {"statusCode": "200"}})}})
    world.cloud.answer = Answer(400, (), b"{}")
    assert world.send("POST", "/x", {}).status == 500


def test_request_parameters_and_overrides() -> None:
    over = {
        "uri": f"arn:aws:apigateway:{REGION}:s3:path/{{bucket}}/{{key}}",
        "httpMethod": "PUT",
        "requestParameters": {
            "integration.request.path.bucket": "stageVariables.bucket",
            "integration.request.path.key": "method.request.path.key",
            "integration.request.header.Content-Type": "method.request.header.Content-Type",
            "integration.request.header.X-Static": "'fixed'",
            "integration.request.header.X-Ctx": "context.httpMethod",
            "integration.request.header.X-Body": "method.request.body.a.b",
            "integration.request.querystring.v": "method.request.querystring.v",
            "integration.request.querystring.none": "method.request.querystring.none",
        },
        "requestTemplates": {"application/json": "#set($context.requestOverride.header.X-Over = 'o')$input.body"},
    }
    world = World({"/o/{key+}": {"put": direct(**over)}}, stage=Stage("local", {"bucket": "b"}))
    world.send("PUT", "/o/x/a%20b", {"a": {"b": 1}}, {"Content-Type": "application/json"}, (("v", "1"),))
    request, _ = world.cloud.calls[0]
    assert (request.method, request.path, request.query) == ("PUT", "/b/x/a%20b", (("v", "1"),))
    expected = {"X-Static": "fixed", "X-Ctx": "PUT", "X-Body": "1", "X-Over": "o", "Content-Type": "application/json"}
    assert request.headers == expected


def test_lambda_without_proxy_selects_by_error_message() -> None:
    responses = {
        "Not found.*": {
            "statusCode": "404",
            "responseTemplates": {"application/json": "$input.json('$.errorMessage')"},
        },
        "default": {"statusCode": "200"},
    }
    integration = direct(uri=lambda_uri(FUNCTION), credentials=None, responses=responses)
    world = World({"/x": {"post": integration}})
    world.cloud.results[FUNCTION] = {"a": 1}
    assert world.send("POST", "/x", {}).body == b'{"a": 1}'
    world.cloud.results[FUNCTION] = lambda_error("Not found: 7")
    response = world.send("POST", "/x", {})
    assert (response.status, body_of(response)) == (404, "Not found: 7")


def test_asynchronous_lambda() -> None:
    parameters = {"integration.request.header.X-Amz-Invocation-Type": "'Event'"}
    integration = direct(uri=lambda_uri(FUNCTION), requestParameters=parameters)
    world = World({"/x": {"post": integration}})
    world.cloud.results[FUNCTION] = Invocation(202, b"")
    assert world.send("POST", "/x", {}).status == 200
    assert world.cloud.invocations[0][2:] == (ROLE, True)


def test_mock_cors() -> None:
    mock = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 200}'},
        "responses": {
            "default": {
                "statusCode": "204",
                "responseParameters": {"method.response.header.Access-Control-Allow-Origin": "'https://a.example'"},
            }
        },
    }
    world = World({"/x": {"options": {"x-amazon-apigateway-integration": mock}}})
    response = world.send("OPTIONS", "/x")
    assert (response.status, response.header("access-control-allow-origin")) == (204, "https://a.example")


@pytest.mark.parametrize(
    ("name", "returned"),
    [
        *(
            (name, f"x-amzn-Remapped-{name}")
            for name in ("Authorization", "Connection", "Date", "Server", "User-Agent")
        ),
        *((name, f"x-amzn-Remapped-{name}") for name in ("Content-MD5", "Max-Forwards", "WWW-Authenticate")),
        *((name, None) for name in ("Expect", "Host", "Proxy-Authenticate", "Trailer", "Transfer-Encoding", "Upgrade")),
        ("Retry-After", "Retry-After"),
    ],
)
@pytest.mark.parametrize("kind", ["function", "website"])
def test_headers_that_a_proxy_integration_cannot_return(kind: str, name: str, returned: str | None) -> None:
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html"""
    if kind == "function":
        world = World({"/x": {"get": proxy()}})
        world.cloud.results[FUNCTION] = {"statusCode": 401, "headers": {name: "value"}}
    else:
        site = {"type": "http_proxy", "httpMethod": "GET", "uri": "http://shop.example/"}
        world = World({"/x": {"get": {"responses": {}, "x-amazon-apigateway-integration": site}}})
        world.web.answer = Answer(401, ((name, "value"),), b"")
    response = world.send("GET", "/x")
    assert [each for each, value in response.headers if value == "value"] == ([returned] if returned else [])


def test_http_proxy() -> None:
    integration = {
        "type": "http_proxy",
        "httpMethod": "ANY",
        "uri": "http://shop.example/base/{p}",
        "requestParameters": {"integration.request.path.p": "method.request.path.p"},
    }
    world = World({"/w/{p+}": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": integration}}})
    response = world.send("POST", "/w/a/b%20c", b"x", {"X-A": "1", "Connection": "close"}, (("q", "1 2"),))
    method, url, headers, body = world.web.sent[0]
    assert (method, url, body) == ("POST", "http://shop.example/base/a/b%20c?q=1+2", b"x")
    assert headers["X-A"] == "1"
    assert "Connection" not in headers
    assert (response.status, response.body, response.header("x-amzn-remapped-server")) == (200, b"web", "x")


@pytest.mark.parametrize(
    "over",
    [
        {"credentials": None},
        {"credentials": "arn:aws:iam::*:user/*"},
        {"credentials": f"arn:aws:iam::{ACCOUNT}:role/missing"},
        {"uri": "nonsense"},
        {"uri": f"arn:aws:apigateway:{REGION}:dynamodb:action/NoSuchAction"},
        {"uri": f"arn:aws:apigateway:{REGION}:nosuchservice:action/X"},
        {"type": "telnet"},
        {"requestTemplates": {"application/json": "#if("}},
        {"requestTemplates": {"application/json": "$input.path('$.a').substring(9)"}},
        {
            "responses": {
                "default": {"statusCode": "200", "responseTemplates": {"application/json": "$input.path('$[')"}}
            }
        },
    ],
)
def test_what_is_set_up_wrong_is_a_500(over: dict[str, Any]) -> None:
    world = World({"/x": {"post": direct(**over)}})
    assert world.send("POST", "/x", {"a": "b"}).status == 500


def test_access_log_and_metrics() -> None:
    from local.gateway.deployment import AccessLog

    log = AccessLog(
        "arn:aws:logs:eu:1:log-group:g", '$context.requestId $context.status $context.error.message "$context.nope"'
    )
    world = World({"/x": {"get": proxy()}}, stage=Stage("local", access_log=log))
    request_id = world.send("GET", "/x").header("x-amzn-requestid")
    world.send("GET", "/y")
    assert world.telemetry.lines[0] == (log.destination, f'{request_id} 200 - "-"')
    assert world.telemetry.lines[1][1].endswith('403 Missing Authentication Token "-"')
    assert [request[:3] for request in world.telemetry.requests] == [
        ("setpieces-local-shop", "local", 200),
        ("setpieces-local-shop", "local", 403),
    ]


def test_too_large() -> None:
    world = World({"/x": {"post": proxy()}})
    assert world.send("POST", "/x", b" " * (10 * 1024 * 1024 + 1)).status == 413


def test_only_the_emulators_absence_leaves_the_executor() -> None:
    world = World({"/x": {"get": proxy()}})
    world.cloud.results[FUNCTION] = ZeroDivisionError("a fault of ours")
    assert world.send("GET", "/x").status == 500
    world.cloud.results[FUNCTION] = EmulatorDown("gone")
    with pytest.raises(EmulatorDown):
        world.send("GET", "/x")


def test_ten_thousand_hostile_requests(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is sent, an HTTP response comes back, and a fault inside is never its reason."""
    validators = {"all": {"validateRequestBody": True, "validateRequestParameters": True}}
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "pattern": "^[a-z]+$"}},
        "additionalProperties": False,
    }
    template = (
        "#foreach($k in $input.path('$').keySet())$k$util.escapeJavaScript($input.path('$').get($k))#end"
        "$input.params('id')"
    )
    operation = {
        **direct(requestTemplates={"application/json": template}),
        "requestBody": {"content": {"application/json": {"schema": schema}}},
    }
    open_operation = direct(requestTemplates={"application/json": template})
    paths = {
        "/v1/{id}": {"post": operation, "put": open_operation, "get": proxy()},
        "/v1/p/{rest+}": {"x-amazon-apigateway-any-method": proxy()},
    }
    world = World(
        paths,
        stage=Stage("local", limits={("/*", "*"): Limits(1e9, 10**9)}),
        x_amazon_apigateway_request_validators=validators,
        x_amazon_apigateway_request_validator="all",
    )
    chance = random.Random(20191128)
    pieces = [
        b"{", b"}", b"[", b"]", b'"a"', b":", b",", b"1e999", b"NaN", b"-Infinity", b"\xff\xfe", b"\x00", b'"\\ud800"',
        b"null", b"true", b"1" * 5000, b"[" * 3000, b'{"a":"x"}', b'{"a":"\xc3\xa9"}', b'{"__proto__":1}',
        b"#set($x=1)", b"$input",
    ]  # fmt: skip
    segments = [
        "v1",
        "p",
        "..",
        ".",
        "%2F",
        "%",
        "%zz",
        "%00",
        "a b",
        "{id}",
        "*",
        "?",
        "",
        "é",
        "%C0%AF",
        "x" * 300,
        "//",
        "$x",
    ]
    types = ["application/json", "", "text/plain", "application/json;;", "/", "\x00", "image/png", "a" * 1000]
    seen: Counter[int] = Counter()
    for _ in range(10_000):
        path = "/" + "/".join(chance.choices(segments, k=chance.randint(0, 4)))
        if chance.random() < 0.7:
            path = "/v1/" + chance.choice(segments)
        body = b"".join(chance.choices(pieces, k=chance.randint(0, 5)))
        headers = {chance.choice(["Content-Type", "Accept", "X-A"]): chance.choice(types)}
        query = tuple((chance.choice(segments), chance.choice(segments)) for _ in range(chance.randint(0, 2)))
        method = chance.choice(["GET", "POST", "POST", "PUT", "DELETE", "TRACE", "get", ""])
        response = world.send(method, path, body, headers, query)
        seen[response.status] += 1
        assert all("\n" not in value and "\r" not in value for _, value in response.headers)
    # 500 only for what the template itself cannot take (a body that is no object, with no validator in the way).
    assert set(seen) <= {200, 400, 403, 415, 500}
    assert not [record for record in caplog.records if record.exc_info]
    assert min(seen[status] for status in (200, 400, 403, 415)) > 100


@pytest.mark.parametrize(
    ("block", "status", "body"),
    [
        ({"CustomResponse": {"ResponseCode": 429, "CustomResponseBodyKey": "slow"}}, 429, {"code": "THROTTLED"}),
        ({}, 403, {"message": "Forbidden"}),
    ],
)
def test_a_web_acl_refuses_before_all_else(block: dict[str, Any], status: int, body: Any) -> None:
    """With its own response, or with the API's gateway response."""
    world = World({"/v1/things": {"get": proxy()}})
    rule = {
        "Name": "no",
        "Priority": 0,
        "Action": {"Block": block},
        "Statement": {"AndStatement": {"Statements": []}},
    }
    bodies = {"slow": {"ContentType": "APPLICATION_JSON", "Content": '{"code": "THROTTLED"}'}}
    world.api = replace(world.api, web_acl=WebAcl("arn:acl", "acl", (rule,), {"Allow": {}}, bodies))
    response = world.send("GET", "/v1/nothing-here")
    assert (response.status, body_of(response)) == (status, body)
    assert response.header("x-amzn-RequestId")
