"""What callers of the APIs are given, made from the documents that are deployed: ``make reference`` writes it to docs/api.

    openapi.json                       all APIs in one document; the front door shows it at /_front_door/reference
    setpieces.postman_collection.json  one request for every operation, for Postman, Bruno (import) or Insomnia
    problems.md                        every code of a problem, its statuses, and the services that answer it

tests/contract/test_docs.py says when it is due, tests/integration/test_api_reference.py sends every request of the collection.
"""

import ast
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from model.settings import ROOT
from model.templates import Piece, pieces

FOLDER = ROOT / "docs" / "api"
OPENAPI = FOLDER / "openapi.json"
COLLECTION = FOLDER / "setpieces.postman_collection.json"
PROBLEMS = FOLDER / "problems.md"
METHODS = ("get", "put", "post", "delete", "patch")
# How a caller proves who it is, by the scheme of the documents.
SCHEMES: dict[str, dict[str, Any]] = {
    "guest": {"type": "http", "scheme": "bearer", "description": "A session of POST /login/v1/sessions, or none."},
    "customer": {"type": "http", "scheme": "bearer", "description": "A customer's session."},
    "customerNow": {"type": "http", "scheme": "bearer", "description": "A customer's session, looked up at once."},
    "admin": {"type": "http", "scheme": "bearer", "description": "An administrator's session."},
    "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
    "iam": {"type": "apiKey", "name": "Authorization", "in": "header", "description": "AWS Signature Version 4."},
}


def documents() -> dict[Path, str]:
    """Every file of docs/api that is made, as it should be."""
    return {
        OPENAPI: json.dumps(bundle(), indent=1) + "\n",
        COLLECTION: json.dumps(collection(), indent=1) + "\n",
        PROBLEMS: problems_page(),
    }


# --- one document ---


def bundle() -> dict[str, Any]:
    """All APIs as one OpenAPI document, without what only API Gateway reads."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    used: set[str] = set()
    for piece, body in bodies():
        prefix = "".join(word.title() for word in piece.service.split("-"))
        document = _plain(body, prefix)
        for path, item in document["paths"].items():
            operations = {method: item[method] for method in METHODS if method in item}
            for operation in operations.values():
                operation["tags"] = [piece.service]
                operation["operationId"] = f"{piece.service}-{operation['operationId']}"
                used |= {scheme for one in operation.get("security", []) for scheme in one}
            paths[f"/{piece.service}{path}"] = operations | {k: v for k, v in item.items() if k == "parameters"}
        schemas |= {
            f"{prefix}{name}": schema for name, schema in document.get("components", {}).get("schemas", {}).items()
        }
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Set Pieces",
            "version": "1",
            "description": "Every API of the shop. Amounts are in minor units, times RFC 3339 in UTC. "
            "Errors are problem details (RFC 9457) with a stable code: docs/api/problems.md.",
            "license": {"name": "MIT-0"},
        },
        "servers": [
            {"url": "http://127.0.0.1:8080", "description": "make start"},
            {"url": "https://{domain}", "variables": {"domain": {"default": "api.example.com"}}, "description": "AWS"},
        ],
        "tags": [
            {"name": piece.service, "description": body["info"].get("description", "")} for piece, body in bodies()
        ],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {name: SCHEMES[name] for name in sorted(used)}},
    }


def bodies() -> Iterator[tuple[Piece, dict[str, Any]]]:
    """(piece, document as it is deployed) of every API."""
    for piece in pieces().values():
        for api in piece.of_type("AWS::ApiGateway::RestApi").values():
            yield piece, api["Body"]


def _plain(value: Any, prefix: str) -> Any:
    """Without extensions of API Gateway; schemas are called after their service."""
    if isinstance(value, dict):
        return {key: _plain(inner, prefix) for key, inner in value.items() if not str(key).startswith("x-amazon-")}
    if isinstance(value, list):
        return [_plain(inner, prefix) for inner in value]
    if isinstance(value, str) and value.startswith("#/components/schemas/"):
        return value.replace("schemas/", f"schemas/{prefix}", 1)
    return value


# --- a request for every operation ---

# Variables of the collection, with what they are in the local cloud. On AWS set baseUrl to the domain, or one of the
# <service>Url to what is published as /setpieces/<stage>/<service>/api-url.
VARIABLES = {
    "baseUrl": "http://127.0.0.1:8080",
    "customerEmail": "",
    "customerPassword": "",
    "sessionToken": "",
    "adminToken": "",
    "ingestApiKey": "",
    "awsRegion": "eu-central-1",
    "awsAccessKeyId": "",
    "awsSecretAccessKey": "",
    "awsSessionToken": "",
}
_BEARER = {"guest": "sessionToken", "customer": "sessionToken", "customerNow": "sessionToken", "admin": "adminToken"}
_KEEP_TOKEN = (
    'if (pm.response.code === 201) pm.collectionVariables.set("sessionToken", pm.response.json().session_token);'
)


def collection() -> dict[str, Any]:
    """A Postman collection, format 2.1: a folder for each service."""
    folders = []
    for piece, body in bodies():
        items = [
            _request(piece, path, method, item[method], item.get("parameters", []), body)
            for path, item in body["paths"].items()
            for method in METHODS
            if method in item
        ]
        folders.append({"name": piece.service, "description": body["info"].get("description", ""), "item": items})
    urls = {_url_variable(piece): f"{{{{baseUrl}}}}/{piece.service}" for piece, _ in bodies()}
    return {
        "info": {
            "name": "Set Pieces",
            "description": "Begin with login: it keeps the session. An admin's session goes into adminToken.",
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "variable": [{"key": key, "value": value} for key, value in (VARIABLES | urls).items()],
        "item": folders,
    }


def _request(
    piece: Piece, path: str, method: str, operation: dict[str, Any], shared: list[Any], body: dict[str, Any]
) -> dict[str, Any]:
    parameters = [_resolved(one, body) for one in [*shared, *operation.get("parameters", [])]]
    sample = _sample_event(piece, path, method)
    given = {**(sample.get("pathParameters") or {}), **(sample.get("queryStringParameters") or {})}
    value = {one["name"]: str(given.get(one["name"]) or example(one.get("schema", {}), body)) for one in parameters}
    of = lambda place: [one for one in parameters if one["in"] == place]  # noqa: E731
    query = [
        {"key": one["name"], "value": value[one["name"]], "disabled": not one.get("required")} for one in of("query")
    ]
    raw = _variable(_url_variable(piece)) + re.sub(r"\{(\w+)\+?\}", r":\1", path)
    active = "&".join(f"{one['key']}={one['value']}" for one in query if not one["disabled"])
    request: dict[str, Any] = {
        "method": method.upper(),
        "header": [
            {"key": one["name"], "value": value[one["name"]], "disabled": not one.get("required")}
            for one in of("header")
        ],
        "url": {
            "raw": raw + (f"?{active}" if active else ""),
            "host": [_variable(_url_variable(piece))],
            "path": [re.sub(r"\{(\w+)\+?\}", r":\1", part) for part in path.strip("/").split("/")],
            "query": query,
            "variable": [{"key": one["name"], "value": value[one["name"]]} for one in of("path")],
        },
        "auth": _auth(operation),
        "description": operation.get("summary", ""),
    }
    content = _resolved(operation.get("requestBody", {}), body).get("content", {})
    if content:
        kind = next(iter(content))
        text = sample.get("body") or json.dumps(example(content[kind].get("schema", {}), body))
        if operation["operationId"] == "createSession":
            text = json.dumps({"email": "{{customerEmail}}", "password": "{{customerPassword}}"})
        request["header"].append({"key": "Content-Type", "value": kind})
        request["body"] = {"mode": "raw", "raw": text}
    item = {"name": operation["operationId"], "request": request}
    if operation["operationId"] == "createSession":
        item["event"] = [{"listen": "test", "script": {"type": "text/javascript", "exec": [_KEEP_TOKEN]}}]
    return item


def _auth(operation: dict[str, Any]) -> dict[str, Any]:
    scheme = next((name for one in operation.get("security") or [] for name in one), "")
    if scheme in _BEARER:
        return {"type": "bearer", "bearer": [{"key": "token", "value": _variable(_BEARER[scheme])}]}
    if scheme == "api_key":
        pairs = {"key": "x-api-key", "value": "{{ingestApiKey}}", "in": "header"}
        return {"type": "apikey", "apikey": [{"key": key, "value": value} for key, value in pairs.items()]}
    if scheme == "iam":
        pairs = {"service": "execute-api", "region": "{{awsRegion}}", "accessKey": "{{awsAccessKeyId}}"}
        pairs |= {"secretKey": "{{awsSecretAccessKey}}", "sessionToken": "{{awsSessionToken}}"}
        return {"type": "awsv4", "awsv4": [{"key": key, "value": value} for key, value in pairs.items()]}
    return {"type": "noauth"}


def _variable(name: str) -> str:
    """How a collection writes a variable."""
    return "{{" + name + "}}"


def _url_variable(piece: Piece) -> str:
    first, *rest = piece.service.split("-")
    return first + "".join(word.title() for word in rest) + "Url"


def _sample_event(piece: Piece, path: str, method: str) -> dict[str, Any]:
    """The sample event of the function behind an operation, ``{}`` if there is none."""
    for file in sorted((ROOT / "events" / piece.service).glob("*.json")):
        event = json.loads(file.read_text())
        if isinstance(event, dict) and (event.get("resource"), event.get("httpMethod")) == (path, method.upper()):
            return event
    return {}


def example(schema: dict[str, Any], body: dict[str, Any]) -> Any:
    """A value that the schema describes; of what may be left out only what it names an example for."""
    schema = _resolved(schema, body)
    for named in ("example", "default"):
        if named in schema:
            return schema[named]
    if "enum" in schema:
        return schema["enum"][0]
    for combined in ("allOf", "oneOf", "anyOf"):
        if combined in schema:
            return example(schema[combined][0], body)
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {name: example(properties.get(name, {}), body) for name in schema.get("required", [])}
        case "array":
            return [example(schema.get("items", {}), body)] * max(1, schema.get("minItems", 1))
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return "sample"


def _resolved(value: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        found: Any = body
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


# --- problems ---

# Where the code and the detail stand among the arguments of each error.
_RAISED = {"Refused": (0, 1), "RetryLater": (2, 1), "HttpRefusal": (1, 2)}
_IN_TEMPLATES = re.compile(r'"status"\s*:\s*(\d{3}).{0,40}?"code"\s*:\s*"([A-Z_]+)"|"code"\s*:\s*"([A-Z_]+)"', re.S)


def problems() -> dict[str, dict[str, set[Any]]]:
    """{code: {"statuses", "services", "details"}} of everything that functions and documents answer."""
    found: dict[str, dict[str, set[Any]]] = defaultdict(
        lambda: {"statuses": set(), "services": set(), "details": set()}
    )
    for file in sorted((ROOT / "functions").rglob("*.py")):
        service = file.relative_to(ROOT / "functions").parts[0]
        for code, status, detail in _raised(ast.parse(file.read_text())):
            found[code]["services"].add("any" if service == "common" else service)
            found[code]["statuses"] |= {status} if status else set()
            found[code]["details"] |= {detail} if detail else set()
    for file in sorted((ROOT / "schemas" / "api").glob("*.yaml")):
        for status, code, bare in _IN_TEMPLATES.findall(file.read_text().replace('\\"', '"')):
            service = "any" if file.stem.startswith("gateway-responses") else file.stem
            found[code or bare]["services"].add(service)
            found[code or bare]["statuses"] |= {int(status)} if status else set()
    return dict(found)


@cache
def statuses() -> dict[str, int]:
    """The HTTP status of each code, as the layer's table has it."""
    module = ast.parse((ROOT / "functions" / "common" / "setpieces" / "rest_api.py").read_text())
    tables = (
        node.value for node in module.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STATUS"
    )
    table: dict[str, int] = ast.literal_eval(next(tables))
    return table


def _raised(tree: ast.AST) -> Iterator[tuple[str, int, str]]:
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        constants = [one.value if isinstance(one, ast.Constant) else None for one in call.args]
        named = {word.arg: word.value.value for word in call.keywords if isinstance(word.value, ast.Constant)}
        if name in ("invalid", "JsonBody"):
            yield str(named.get("code", "INVALID_REQUEST")), int(str(named.get("status", 400))), ""
        elif name in _RAISED:
            code, detail = (
                constants[place] if place < len(constants) and isinstance(constants[place], str) else ""
                for place in _RAISED[name]
            )
            status = (
                constants[0] if name == "HttpRefusal" else 503 if name == "RetryLater" else statuses().get(str(code))
            )
            if code:
                yield str(code), status if isinstance(status, int) else 0, str(detail)


PROBLEMS_BEGIN = """# Problems

Every error is `application/problem+json` (RFC 9457): `{type, title, status, code, detail?, instance?, request_id?, errors?}`.
`type` is `https://errors.setpieces.example/` followed by the code in lower case with hyphens; it is an identifier, not a page.
Rely on `status` and `code`, show `detail` to developers, and quote `request_id` in support requests. Each of `errors` is
`{pointer, message}`, where `pointer` is a JSON pointer to an invalid field. After 429 and 503 wait for `Retry-After`
seconds, then repeat the request with the same `Idempotency-Key`, if it had one.

`make reference` generates the table from the functions and the API documents; `any` is the gateway or the common layer.

| code | status | services | detail |
|---|---|---|---|
"""


def problems_page() -> str:
    rows = []
    for code, known in sorted(problems().items()):
        statuses = ", ".join(map(str, sorted(known["statuses"]))) or "4xx"
        says = "; ".join(sorted(known["details"])).replace("|", "\\|")
        rows.append(f"| `{code}` | {statuses} | {', '.join(sorted(known['services']))} | {says} |\n")
    return PROBLEMS_BEGIN + "".join(rows)
