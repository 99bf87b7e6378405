"""Every API's document by ``redocly``, which the contract tests do not use, and by what API Gateway says it does not read.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html, "notes for REST APIs"
"""

import copy
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from model.templates import iter_resources
from tests.second_opinion import tools

REDOCLY = "@redocly/cli@2.77.0"
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
DOCUMENTS = {piece.service: api["Body"] for piece, _, api in iter_resources("AWS::ApiGateway::RestApi")}
Found = Iterator[str]


def problems(folder: Path, documents: dict[str, Any]) -> dict[str, list[str]]:
    """Redocly's messages by document."""
    (folder / "redocly.yaml").write_text("extends: [spec]\n")
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    command = (str(tools.npm(REDOCLY) / ".bin" / "redocly"), "lint", "--config", "redocly.yaml", "--format", "json")
    done = subprocess.run(
        (*command, *(f"{name}.json" for name in documents)),
        cwd=folder,
        env=os.environ | QUIET,
        capture_output=True,
        text=True,
        timeout=300,
    )
    messages: dict[str, list[str]] = {}
    reports, rest = 0, done.stdout.strip()
    while rest:  # one report for each document
        report, end = json.JSONDecoder().raw_decode(rest)
        rest, reports = rest[end:].lstrip(), reports + 1
        for problem in report["problems"]:
            source = Path(problem["location"][0]["source"]["ref"]).stem
            messages.setdefault(source, []).append(f"{problem['ruleId']}: {problem['message']}")
    assert reports == len(documents), done.stderr
    return messages


def test_every_document_is_openapi_to_another_validator(tmp_path: Path):
    assert problems(tmp_path, DOCUMENTS) == {}
    print(f"{len(DOCUMENTS)} documents")


def test_the_validator_finds_a_fault_in_every_document(tmp_path: Path):
    broken = copy.deepcopy(DOCUMENTS)
    for document in broken.values():
        document["info"]["versoin"] = document["info"].pop("version")
    assert set(problems(tmp_path, broken)) == set(DOCUMENTS)


# --- features that API Gateway does not read ---


def nodes(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every object of a document but AWS's extensions, with the names that lead to it."""
    if isinstance(value, dict):
        yield path, value
        for name, inner in value.items():
            if not name.startswith("x-amazon-"):
                yield from nodes(inner, (*path, name))
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner, path)


def schemas(document: Any) -> Iterator[dict[str, Any]]:
    """Every schema, however deep."""
    for path, node in nodes(document):
        in_schemas = "schema" in path or (path[:2] == ("components", "schemas") and len(path) > 2)
        if in_schemas and path[-1] != "properties":
            yield node


def keyword(*names: str) -> Callable[[Any], Found]:
    def find(document: Any) -> Found:
        return (f"{name} in {sorted(schema)}" for schema in schemas(document) for name in names if name in schema)

    return find


def segments(document: Any) -> Found:
    # Letters, digits, underscores, hyphens, periods, commas, colons and braces; a parameter is a segment of its own.
    allowed = re.compile(r"\{\w+\+?\}|[\w.,:-]*")
    return (path for path in document["paths"] if not all(map(allowed.fullmatch, path.split("/"))))


def model_names(document: Any) -> Found:
    return (
        name for name in document.get("components", {}).get("schemas", {}) if not re.fullmatch(r"[A-Za-z0-9]+", name)
    )


def parameters(document: Any) -> Found:
    read = {"name", "in", "required", "schema", "description"}
    for _, node in nodes(document):
        for parameter in node.get("parameters", []) if isinstance(node.get("parameters"), list) else []:
            yield from (f"{name} of {parameter['name']}" for name in set(parameter) - read)
            yield from (f"{parameter['name']} in cookie" for _ in "." if parameter["in"] == "cookie")


def security(document: Any) -> Found:
    schemes = document.get("components", {}).get("securitySchemes", {})
    return (name for name, scheme in schemes.items() if scheme["type"] != "apiKey")


def deprecated(document: Any) -> Found:
    return (str(path) for path, node in nodes(document) if node.get("deprecated") is True)


def references(document: Any) -> Found:
    targets = (node["$ref"] for _, node in nodes(document) if isinstance(node.get("$ref"), str))
    return (target for target in targets if not target.startswith("#/components/schemas/"))


def number_formats(document: Any) -> Found:
    kinds = {"int32", "int64", "float", "double", "decimal"}
    return (str(schema["format"]) for schema in schemas(document) if schema.get("format") in kinds)


# What AWS's page says is refused, dropped or ignored, and how it would look here.
NOT_READ: dict[str, Callable[[Any], Found]] = {
    "path segments have letters, digits, _ - . , : and braces; a parameter is a whole segment": segments,
    "names of models have letters and digits": model_names,
    "of parameters only name, in, required, type and description are read": parameters,
    "security schemes are of type apiKey; others by an authorizer": security,
    "deprecated is dropped": deprecated,
    "discriminator is not supported": keyword("discriminator"),
    "example is not supported": keyword("example", "examples"),
    "exclusiveMinimum is not supported": keyword("exclusiveMinimum", "exclusiveMaximum"),
    "maxItems and minItems are not part of simple validation": keyword("maxItems", "minItems"),
    "oneOf is not supported for documents that SDKs are made from": keyword("oneOf", "anyOf"),
    "readOnly is not supported": keyword("readOnly", "writeOnly"),
    "responses by reference are not supported": references,
    "numbers of type int32, int64 and decimal are not supported": number_formats,
    "models are JSON Schema draft 4, which does not know nullable": keyword("nullable"),
}
# (service, rule): why it is right all the same. No request may be validated with it.
DRAFT = "models are JSON Schema draft 4, which does not know nullable"
ITEMS = "maxItems and minItems are not part of simple validation"
OF_FUNCTIONS = "the function checks it and clients read it; the model of requests does not have it"
ACCEPTED = {
    ("basket", ITEMS): OF_FUNCTIONS,
    ("customers", DRAFT): OF_FUNCTIONS,
    ("customers", ITEMS): OF_FUNCTIONS,
    ("login", DRAFT): "of an answer; no answer is checked",
    ("orders", ITEMS): OF_FUNCTIONS,
    ("tax", ITEMS): OF_FUNCTIONS,
}


def validated(document: Any) -> dict[str, Any]:
    """The request bodies of ``document`` that a request validator checks, with the models that they refer to."""
    validators = document.get("x-amazon-apigateway-request-validators", {})
    default = document.get("x-amazon-apigateway-request-validator")
    bodies: dict[str, Any] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if "requestBody" in operation:
                name = operation.get("x-amazon-apigateway-request-validator", default)
                if validators.get(name, {}).get("validateRequestBody"):
                    bodies.setdefault(path, {})[method] = {"requestBody": operation["requestBody"]}
    models: dict[str, Any] = {}
    new = bodies
    while new:
        names = {target.rpartition("/")[2] for _, node in nodes(new) if isinstance(target := node.get("$ref"), str)}
        new = {name: document["components"]["schemas"][name] for name in names - models.keys()}
        models |= new
    return {"paths": bodies, "components": {"schemas": models}}


@pytest.mark.parametrize("rule", NOT_READ)
def test_no_document_has_what_api_gateway_does_not_read(rule: str):
    matches = {service: list(NOT_READ[rule](document)) for service, document in DOCUMENTS.items()}
    assert {service for service, places in matches.items() if places} == {
        service for service, accepted in ACCEPTED if accepted == rule
    }, matches


@pytest.mark.parametrize(("service", "rule"), ACCEPTED)
def test_no_request_is_validated_with_what_api_gateway_does_not_read(service: str, rule: str):
    checked = validated(DOCUMENTS[service])
    assert checked["paths"]
    assert list(NOT_READ[rule](checked)) == []


BAD: dict[str, Any] = {
    "openapi": "3.0.1",
    "paths": {
        "/a b/x{id}": {
            "get": {
                "deprecated": True,
                "parameters": [
                    {"name": "q", "in": "query", "style": "form", "schema": {"type": "integer", "format": "int64"}}
                ],
                "responses": {"500": {"$ref": "#/components/responses/Error"}},
            }
        }
    },
    "components": {
        "securitySchemes": {"basic": {"type": "http"}},
        "schemas": {
            "A_b": {
                "type": "object",
                "discriminator": {"propertyName": "a"},
                "properties": {
                    "a": {"type": "integer", "exclusiveMinimum": True, "example": 1, "nullable": True},
                    "b": {"type": "array", "maxItems": 1, "items": {"oneOf": [{"type": "string", "readOnly": True}]}},
                },
            }
        },
    },
}


@pytest.mark.parametrize("rule", [ITEMS, DRAFT])
@pytest.mark.parametrize("validates", [True, False])
def test_a_model_of_requests_is_found_behind_references(rule: str, validates: bool):
    document = copy.deepcopy(BAD) | {
        "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": validates}},
        "x-amazon-apigateway-request-validator": "all",
    }
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Outer"}}}}
    document["paths"] = {"/x": {"post": {"requestBody": body}}}
    document["components"]["schemas"]["Outer"] = {
        "type": "object",
        "properties": {"inner": {"type": "array", "items": {"$ref": "#/components/schemas/A_b"}}},
    }
    assert bool(list(NOT_READ[rule](validated(document)))) is validates


@pytest.mark.parametrize("rule", NOT_READ)
def test_each_rule_matches_a_violation(rule: str):
    assert list(NOT_READ[rule](BAD))
