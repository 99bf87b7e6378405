"""What a caller gets of the answer of a backend."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from gateway_fakes import FUNCTION, World, body_of, direct, lambda_error, lambda_uri, proxy

from apigw_executor.ports import Answer, BackendTimeout, Invocation


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


def test_binary_bodies() -> None:
    world = World({"/x": {"post": proxy()}}, x_amazon_apigateway_binary_media_types=["image~1png"])
    world.cloud.results[FUNCTION] = {"body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True}
    headers = {"Content-Type": "image/png", "Accept": "image/png"}
    assert world.send("POST", "/x", b"\x89PNG", headers).body == b"\x00\xff"
    event = world.cloud.invocations[0][1]
    assert (event["body"], event["isBase64Encoded"]) == (base64.b64encode(b"\x89PNG").decode(), True)
    # Without an Accept of a binary type the base64 is the answer, as in AWS.
    assert world.send("POST", "/x", b"{}", {"Accept": "text/html"}).body == base64.b64encode(b"\x00\xff")


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
