"""A request through a whole API: the order of the checks, and what any request gets."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from gateway_fakes import (
    API_KEY_SCHEME,
    AUTHORIZER,
    FUNCTION,
    World,
    allow,
    authorizer_scheme,
    body_of,
    direct,
    proxy,
    secured,
)

from apigw_executor.deployment import ApiKey, Deployment, Stage, UsagePlan
from apigw_executor.messages import Pairs
from apigw_executor.ports import EndpointDown
from apigw_executor.throttles import Limits
from apigw_executor.web_acl import WebAcl


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


def test_access_log_and_metrics() -> None:
    from apigw_executor.deployment import AccessLog

    log = AccessLog(
        "arn:aws:logs:eu:1:log-group:g", '$context.requestId $context.status $context.error.message "$context.nope"'
    )
    world = World({"/x": {"get": proxy()}}, stage=Stage("local", access_log=log))
    request_id = world.send("GET", "/x").header("x-amzn-requestid")
    world.send("GET", "/y")
    assert world.telemetry.lines[0] == (log.destination, f'{request_id} 200 - "-"')
    assert world.telemetry.lines[1][1].endswith('403 Missing Authentication Token "-"')
    assert [request[:3] for request in world.telemetry.requests] == [
        ("demo-shop", "local", 200),
        ("demo-shop", "local", 403),
    ]


def test_too_large() -> None:
    world = World({"/x": {"post": proxy()}})
    assert world.send("POST", "/x", b" " * (10 * 1024 * 1024 + 1)).status == 413


def test_only_the_absence_of_the_endpoint_leaves_the_executor() -> None:
    world = World({"/x": {"get": proxy()}})
    world.cloud.results[FUNCTION] = ZeroDivisionError("a fault of ours")
    assert world.send("GET", "/x").status == 500
    world.cloud.results[FUNCTION] = EndpointDown("gone")
    with pytest.raises(EndpointDown):
        world.send("GET", "/x")


def test_ten_thousand_hostile_requests(caplog: pytest.LogCaptureFixture) -> None:
    """Every request gets an HTTP response, and none is caused by an internal fault."""
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
    statuses: Counter[int] = Counter()
    for _ in range(10_000):
        path = "/" + "/".join(chance.choices(segments, k=chance.randint(0, 4)))
        if chance.random() < 0.7:
            path = "/v1/" + chance.choice(segments)
        body = b"".join(chance.choices(pieces, k=chance.randint(0, 5)))
        headers = {chance.choice(["Content-Type", "Accept", "X-A"]): chance.choice(types)}
        query = tuple((chance.choice(segments), chance.choice(segments)) for _ in range(chance.randint(0, 2)))
        method = chance.choice(["GET", "POST", "POST", "PUT", "DELETE", "TRACE", "get", ""])
        response = world.send(method, path, body, headers, query)
        statuses[response.status] += 1
        assert all("\n" not in value and "\r" not in value for _, value in response.headers)
    # 500 only for what the template itself cannot take (a body that is no object, with no validator in the way).
    assert set(statuses) <= {200, 400, 403, 415, 500}
    assert not [record for record in caplog.records if record.exc_info]
    assert min(statuses[status] for status in (200, 400, 403, 415)) > 100


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
