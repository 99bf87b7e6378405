"""What an integration sends to its backend, and what is set up wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gateway_fakes import ACCOUNT, FUNCTION, REGION, ROLE, World, direct, lambda_uri, proxy

from apigw_executor.deployment import Stage
from apigw_executor.ports import Invocation


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


def test_a_function_must_allow_this_api() -> None:
    world = World({"/x": {"get": proxy()}})
    policies: tuple[dict[str, Any] | None, ...] = (None, {"Statement": []}, {"bad": 1})
    for policy in policies:
        world.cloud.policy = policy
        assert world.send("GET", "/x").status == 500
    assert world.cloud.invocations == []


@pytest.mark.parametrize(
    ("resource", "path", "allowed", "status"),
    [
        ("/x", "/x", "x", 200),
        ("/x", "/x/", "x", 200),
        ("/x", "/x/", "x/", 500),
        ("/x/", "/x/", "x", 500),
        ("/x/", "/x", "x/", 200),
        ("/x/{id}/y", "/x/1/y/", "x/*/y", 200),
        ("/x/{id}/y", "/x/1/y", "x/*/y/", 500),
        ("/", "/", "", 200),
    ],
)
def test_the_policy_of_a_function_names_the_resource_without_the_trailing_slash_of_the_request(
    resource: str, path: str, allowed: str, status: int
) -> None:
    world = World({resource: {"get": proxy()}})
    assert world.cloud.policy is not None
    arn = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:api1/*/GET/{allowed}"
    world.cloud.policy["Statement"][0]["Condition"]["ArnLike"]["AWS:SourceArn"] = arn
    assert world.send("GET", path).status == status
    assert [event["path"] for _, event, _, _ in world.cloud.invocations] == ([f"/shop{path}"] if status == 200 else [])


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
        {"requestTemplates": {"application/json": "#if("}},
        {"requestTemplates": {"application/json": "$input.path('$.a').substring(9)"}},
        {
            "responses": {
                "default": {"statusCode": "200", "responseTemplates": {"application/json": "$input.path('$[')"}}
            }
        },
    ],
)
def test_a_configuration_error_is_a_500(over: dict[str, Any]) -> None:
    world = World({"/x": {"post": direct(**over)}})
    assert world.send("POST", "/x", {"a": "b"}).status == 500
