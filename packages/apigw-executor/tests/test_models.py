"""Request validation and its texts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apigw_executor import models
from apigw_executor.document import Operation, read
from apigw_executor.messages import Request
from apigw_executor.responses import GatewayError

ITEM = {
    "type": "object",
    "required": ["sku", "quantity"],
    "additionalProperties": False,
    "properties": {
        "sku": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[0-9]+$"},
        "quantity": {"type": "integer", "minimum": 1, "maximum": 9},
        "kind": {"enum": ["a", "b"]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2, "minItems": 1, "uniqueItems": True},
        "at": {"type": "string", "format": "date-time"},
        "mail": {"type": "string", "format": "email"},
        "more": {"$ref": "#/components/schemas/More"},
        "free": {"type": "object", "maxProperties": 1},
        "either": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
    },
}
DOCUMENT = read(
    {
        "openapi": "3.0.1",
        "x-amazon-apigateway-request-validators": {
            "all": {"validateRequestBody": True, "validateRequestParameters": True}
        },
        "x-amazon-apigateway-request-validator": "all",
        "components": {
            "schemas": {"Item": ITEM, "More": {"type": "object", "properties": {"deep": {"type": "boolean"}}}},
            "requestBodies": {
                "Item": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}}
            },
            "parameters": {"Page": {"name": "page", "in": "query", "required": True}},
        },
        "paths": {
            "/items/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True}],
                "post": {
                    "parameters": [
                        {"$ref": "#/components/parameters/Page"},
                        {"name": "Idempotency-Key", "in": "header", "required": True},
                        {"name": "size", "in": "query"},
                    ],
                    "requestBody": {"$ref": "#/components/requestBodies/Item"},
                },
            }
        },
    }
)
OPERATION: Operation = DOCUMENT.resources["/items/{id}"]["POST"]
GOOD = {"sku": "12", "quantity": 1}


def refusal(body: Any, content_type: str = "application/json") -> str | None:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request("POST", "/items/1", (("Content-Type", content_type),), (), raw)
    try:
        models.check_body(OPERATION, request, DOCUMENT.schemas)
    except GatewayError as error:
        return error.validation if error.kind == "BAD_REQUEST_BODY" else error.kind
    return None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (GOOD, None),
        (
            {**GOOD, "at": "2026-11-23T10:00:00Z", "mail": "a@b", "more": {"deep": True}, "tags": ["x"], "either": 1},
            None,
        ),
        ({}, '[object has missing required properties (["quantity","sku"])]'),
        (b"", '[object has missing required properties (["quantity","sku"])]'),
        (b" \t\r\n", '[object has missing required properties (["quantity","sku"])]'),
        ({**GOOD, "x": 1, "y": 2}, '[object instance has properties which are not allowed by the schema: ["x","y"]]'),
        (
            {**GOOD, "sku": 5},
            '[instance type (integer) does not match any allowed primitive type (allowed: ["string"])]',
        ),
        (
            {**GOOD, "quantity": True},
            '[instance type (boolean) does not match any allowed primitive type (allowed: ["integer"])]',
        ),
        ({**GOOD, "sku": "1"}, '[string "1" is too short (length: 1, required minimum: 2)]'),
        ({**GOOD, "sku": "12345"}, '[string "12345" is too long (length: 5, maximum allowed: 4)]'),
        ({**GOOD, "sku": "ab"}, '[ECMA 262 regex "^[0-9]+$" does not match input string "ab"]'),
        ({**GOOD, "quantity": 0}, "[numeric instance is lower than the required minimum (minimum: 1, found: 0)]"),
        ({**GOOD, "quantity": 10}, "[numeric instance is greater than the required maximum (maximum: 9, found: 10)]"),
        ({**GOOD, "kind": "c"}, '[instance value ("c") not found in enum (possible values: ["a","b"])]'),
        ({**GOOD, "tags": []}, "[array is too short: must have at least 1 elements but instance has 0 elements]"),
        ({**GOOD, "tags": ["a", "a"]}, "[array must not contain duplicate elements]"),
        ({**GOOD, "at": "yesterday"}, '[string "yesterday" is invalid against requested format "date-time"]'),
        ({**GOOD, "mail": "x"}, '[string "x" is invalid against requested format "email"]'),
        (
            {**GOOD, "free": {"a": 1, "b": 2}},
            "[object has too many properties (found 2 but schema requires at most 1)]",
        ),
        ({**GOOD, "either": None}, "[instance failed to match exactly one schema]"),
        (
            {**GOOD, "more": {"deep": 1}},
            '[instance type (integer) does not match any allowed primitive type (allowed: ["boolean"])]',
        ),
        ([], '[instance type (array) does not match any allowed primitive type (allowed: ["object"])]'),
    ],
)
def test_bodies(body: Any, expected: str | None) -> None:
    assert refusal(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"NaN",
        b'{"quantity": Infinity}',
        b"1e999",
        b"\xff",
        b"[" * 100_000,
        b"9" * 10_000,
        b"{'a': 1}",
        b'{"a":1,}',
    ],
)
def test_a_body_that_is_not_json_is_invalid(body: bytes) -> None:
    assert refusal(body) is not None


@pytest.mark.parametrize("body", ["\f", "\v", " \x1c", "\x85", "\u00a0", "\u2028", "\ufeff"])
def test_only_the_whitespace_of_json_is_an_empty_body(body: str) -> None:
    assert refusal(body.encode()) == "[Invalid JSON in request body]"


def test_a_content_type_without_a_model_is_not_validated() -> None:
    assert refusal(b"{", "text/plain") is None
    assert refusal(b"{", "application/json; charset=utf-8") is not None


@pytest.mark.parametrize(
    ("query", "headers", "missing"),
    [
        ((), (), "page, Idempotency-Key"),
        ((("page", ""),), (("idempotency-key", "1"),), "page"),
        ((("page", "1"),), (("IDEMPOTENCY-KEY", " "),), "Idempotency-Key"),
        ((("page", "1"),), (("idempotency-key", "1"),), None),
    ],
)
def test_parameters(query: Any, headers: Any, missing: str | None) -> None:
    request = Request("POST", "/items/1", headers, query)
    if missing is None:
        models.check_parameters(OPERATION, request, {"id": "1"})
        return
    with pytest.raises(GatewayError) as caught:
        models.check_parameters(OPERATION, request, {"id": "1"})
    assert caught.value.message == f"Missing required request parameters: [{missing}]"


def test_swagger_2_models() -> None:
    document = read(
        {
            "swagger": "2.0",
            "x-amazon-apigateway-request-validators": {"b": {"validateRequestBody": True}},
            "definitions": {"Item": ITEM},
            "paths": {
                "/x": {
                    "post": {
                        "x-amazon-apigateway-request-validator": "b",
                        "consumes": ["application/json", "text/json"],
                        "parameters": [{"in": "body", "name": "Item", "schema": {"$ref": "#/definitions/Item"}}],
                    }
                }
            },
        }
    )
    operation = document.resources["/x"]["POST"]
    request = Request("POST", "/x", (("Content-Type", "text/json"),), (), b"{}")
    with pytest.raises(GatewayError):
        models.check_body(operation, request, document.schemas)


def test_a_reference_to_nothing_is_the_apis_fault() -> None:
    operation = {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Nope"}}}}}
    document = read(
        {
            "x-amazon-apigateway-request-validators": {"b": {"validateRequestBody": True}},
            "x-amazon-apigateway-request-validator": "b",
            "paths": {"/x": {"post": operation}},
        }
    )
    with pytest.raises(GatewayError) as caught:
        models.check_body(document.resources["/x"]["POST"], Request("POST", "/x", body=b"{}"), document.schemas)
    assert caught.value.kind == "API_CONFIGURATION_ERROR"
