"""A request through a whole API, with fakes for everything outside: the order of the checks and what each answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
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

REGION, ACCOUNT = "eu-central-1", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/integration"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"
AUTHORIZER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:auth"


def lambda_uri(function: str) -> str:
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"


class FakeCloud:
    """Answers what it was told to, and remembers what it was asked."""

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
    assert event["path"] == "/v1/things/a%20b%2Fc"
    assert event["pathParameters"] == {"id": "a%20b%2Fc"}
    assert event["queryStringParameters"] == {"q": "2"}
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "2"]}
    assert event["stageVariables"] == {"colour": "red"}
    assert event["headers"]["X-B"] == "2"
    assert event["headers"]["X-Amzn-Trace-Id"].startswith("Root=1-")
    assert event["body"] is None
    assert event["isBase64Encoded"] is False
    context = event["requestContext"]
    assert context["path"] == "/local/v1/things/a%20b%2Fc"
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
    assert body_of(response) == {"status": 404, "instance": "/local/nowhere"}


__all__ = ["ApiKey", "BackendTimeout", "EmulatorDown", "Limits", "Quota", "UsagePlan", "base64", "pytest"]
