"""One API in front of fakes for everything outside: what the tests of the executor share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apigw_executor.deployment import Api, Deployment, Stage
from apigw_executor.document import read
from apigw_executor.executor import Executor
from apigw_executor.messages import Pairs, Request, Response
from apigw_executor.ports import Answer, Clock, IamDecision, Invocation, RoleUnusable
from apigw_executor.routes import Routes
from apigw_executor.services import ServiceRequest

# Seconds until a wait is a hang. A busy machine takes long for what else takes moments, so no test waits for less.
HANG = 600.0
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
            "demo-shop",
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


API_KEY_SCHEME = {"api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}


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


def lambda_error(message: str) -> Invocation:
    return Invocation(200, json.dumps({"errorMessage": message, "errorType": "Exception"}).encode(), "Unhandled")
