"""Documents that API Gateway does not import."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from gateway_fakes import World, authorizer_scheme, direct

from apigw_executor.document import read
from apigw_executor.document_shape import BadDocument
from apigw_executor.routes import Routes

OPERATION = direct()


def integration(**over: Any) -> dict[str, Any]:
    return {"paths": {"/a": {"post": direct(**over)}}}


def path(*names: str) -> dict[str, Any]:
    return {"paths": {name: {"get": {}} for name in names}}


def response(**rule: Any) -> dict[str, Any]:
    return integration(responses={"default": rule})


def without(name: str) -> dict[str, Any]:
    document = integration()
    del document["paths"]["/a"]["post"]["x-amazon-apigateway-integration"][name]
    return document


def authorizer(**over: Any) -> dict[str, Any]:
    schemes = authorizer_scheme(**over)
    return {"paths": {"/a": {"get": {"security": [{"session": []}]}}}, "components": {"securitySchemes": schemes}}


BAD: Mapping[str, dict[str, Any]] = {
    "no paths": {"Resources": {}},
    "paths are a list": {"paths": []},
    "an operation is text": {"paths": {"/a": {"get": "x"}}},
    "a parameter is text": {"paths": {"/a": {"get": {"parameters": ["x"]}}}},
    "a path without a slash": path("a"),
    "a path that is a number": {"paths": {5: {"get": {}}}},
    "a greedy parameter before the end": path("/{x+}/b"),
    "a segment with a part in braces": path("/a{x}"),
    "a parameter without a name": path("/{}"),
    "two parameters as siblings": path("/{x}/a", "/{y}/b"),
    "an unknown integration type": integration(type="telnet"),
    "no integration type": without("type"),
    "an unknown passthrough behavior": integration(passthroughBehavior="sometimes"),
    "an unknown method": integration(httpMethod="FETCH"),
    "no method": without("httpMethod"),
    "no URI": without("uri"),
    "a timeout that is text": integration(timeoutInMillis="soon"),
    "a timeout of nothing": integration(timeoutInMillis=0),
    "templates that are text": integration(requestTemplates="{}"),
    "a template that is a mapping": integration(requestTemplates={"application/json": {}}),
    "a request parameter that is a number": integration(requestParameters={"integration.request.header.X": 5}),
    "an unknown conversion": integration(contentHandling="CONVERT"),
    "an integration that refers to nothing": {
        "paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"$ref": "#/components/x"}}}}
    },
    "a status that is text": response(statusCode="created"),
    "a status that HTTP does not have": response(statusCode=1000),
    "a response parameter that is a number": response(responseParameters={"method.response.header.X": 5}),
    "a pattern that is none": integration(responses={"(": {"statusCode": 200}}),
    "an unknown authorizer type": authorizer(type="ticket"),
    "a time to live that is text": authorizer(authorizerResultTtlInSeconds="long"),
    "a time to live of a day": authorizer(authorizerResultTtlInSeconds=86400),
    "a gateway response's status that is text": {
        "paths": {},
        "x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": {"statusCode": "bad"}},
    },
    "binary media types that are text": {"paths": {}, "x-amazon-apigateway-binary-media-types": "image/png"},
    "an unknown source of API keys": {"paths": {}, "x-amazon-apigateway-api-key-source": "COOKIE"},
    "a policy that is text": {"paths": {}, "x-amazon-apigateway-policy": "allow"},
}


@pytest.mark.parametrize("document", BAD.values(), ids=BAD.keys())
def test_a_document_of_another_shape_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(BadDocument):
        Routes(read({"openapi": "3.0.1", **document}).resources)


GOOD: Mapping[str, dict[str, Any]] = {
    "names in capitals": integration(type="AWS", passthroughBehavior="NEVER", httpMethod="post"),
    "numbers as text": integration(timeoutInMillis="5000", responses={"default": {"statusCode": "200"}}),
    "a status as number and key": integration(responses={200: {"statusCode": 200}}),
    "an empty template": integration(requestTemplates={"application/json": None}),
    "a mock without a method": {"paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}}}}},
    "an extension among the paths": {"paths": {"x-note": "text", "/": {"get": {}}, "/a/{b}/{c+}": {"get": {}}}},
    "an authorizer that is not executed": authorizer(type="cognito_user_pools", identitySource=None),
}


@pytest.mark.parametrize("document", GOOD.values(), ids=GOOD.keys())
def test_what_api_gateway_imports_is_read(document: dict[str, Any]) -> None:
    original = copy.deepcopy(document)
    Routes(read({"openapi": "3.0.1", **document}).resources)
    assert document == original


def test_the_error_names_the_place() -> None:
    with pytest.raises(BadDocument, match=r"integration of POST /a at \$\.passthroughBehavior: 'sometimes'"):
        World({"/a": {"post": direct(passthroughBehavior="sometimes")}})


@pytest.mark.parametrize("schema", ["text", {"type": "telnet"}, {"enum": 5}, {"pattern": "("}, {"minLength": "1"}])
def test_a_model_that_is_no_json_schema_is_the_apis_fault(schema: Any) -> None:
    operation = {
        **OPERATION,
        "requestBody": {"content": {"application/json": {"schema": schema}}},
        "x-amazon-apigateway-request-validator": "body",
    }
    validators = {"body": {"validateRequestBody": True}}
    world = World({"/a": {"post": operation}}, x_amazon_apigateway_request_validators=validators)
    assert world.send("POST", "/a", "text").status == 500
    assert not world.cloud.calls
