"""Every API's document as it is deployed: OpenAPI 3.0.1 that API Gateway imports whole and that describes the API correctly."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator
from openapi_spec_validator import OpenAPIV30SpecValidator

from apigw_executor.integrations import headers
from model.settings import ROOT
from model.templates import iter_resources, pieces

DOCUMENTS = [
    pytest.param(api["Body"], pieces()[piece.service].apis[name], id=piece.service)
    for piece, name, api in iter_resources("AWS::ApiGateway::RestApi")
]
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html: the import ignores these, so a
# model that relies on one guards nothing.
IGNORED_IN_MODELS = {"maxItems", "minItems", "nullable", "discriminator", "readOnly", "writeOnly", "example", "default"}
AUTHORIZER = "x-amazon-apigateway-authorizer"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method"}


def operations(body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(method and path, operation)"""
    for path, item in body["paths"].items():
        for method in METHODS & set(item):
            yield f"{method} {path}", item[method]


def keywords(schema: Any) -> set[str]:
    """The keywords that a schema uses, however deep; names of properties are none."""
    if not isinstance(schema, dict):
        return set()
    inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    inner += [item for name in ("allOf", "anyOf", "oneOf") for item in schema.get(name, [])]
    return set(schema) | {keyword for item in inner for keyword in keywords(item)}


@pytest.mark.parametrize(("body", "document"), DOCUMENTS)
def test_a_document_is_openapi(body, document):
    assert body["openapi"] == "3.0.1"
    OpenAPIV30SpecValidator(body).validate()


@pytest.mark.parametrize(("body", "document"), DOCUMENTS)
def test_every_operation_has_a_unique_id_and_a_summary(body, document):
    ids = [operation["operationId"] for _, operation in operations(body)]
    assert len(ids) == len(set(ids))
    assert all(operation["summary"] for _, operation in operations(body))


@pytest.mark.parametrize(("body", "document"), DOCUMENTS)
def test_models_are_draft_4_and_rely_on_nothing_that_the_import_ignores(body, document):
    schemas = body.get("components", {}).get("schemas", {})
    for name, schema in schemas.items():
        Draft4Validator.check_schema(schema)
        assert not keywords(schema) & {"const", "if", "then", "else", "contains", "examples", "propertyNames"}, name
    headers = {
        media["schema"]["$ref"].rsplit("/", 1)[-1]
        for _, operation in operations(body)
        for media in operation.get("requestBody", {}).get("content", {}).values()
    }
    for name in headers:
        assert not keywords(schemas[name]) & IGNORED_IN_MODELS, name


@pytest.mark.parametrize(("body", "document"), DOCUMENTS)
def test_every_status_and_header_of_an_integration_is_declared(body, document):
    """API Gateway drops a header, and refuses a status, that the method's responses do not name."""
    for endpoint, operation in operations(body):
        declared = operation["responses"]
        for rule in operation["x-amazon-apigateway-integration"].get("responses", {}).values():
            assert rule["statusCode"] in declared, endpoint
            headers = set(declared[rule["statusCode"]].get("headers", {}))
            mapped = {target.removeprefix("method.response.header.") for target in rule.get("responseParameters", {})}
            assert mapped <= headers, endpoint
            for template in rule.get("responseTemplates", {}).values():
                assert set(re.findall(r"#set\(\$\S+ = ([45]\d\d)\)", template)) <= set(declared), endpoint


@pytest.mark.parametrize(("body", "document"), DOCUMENTS)
def test_every_parameter_that_an_integration_reads_is_declared(body, document):
    """An undeclared parameter is not there for a mapping, and its absence goes unnoticed."""
    for methods in document.resources.values():
        for operation in methods.values():
            declared = {f"{parameter.location}.{parameter.name}" for parameter in operation.parameters}
            for source in operation.integration.request_parameters.values():
                if source.startswith("method.request.") and not source.startswith("method.request.body"):
                    assert source.removeprefix("method.request.") in declared, operation.operation_name


@pytest.mark.parametrize(("body", "document"), DOCUMENTS)
def test_errors_are_documented_as_problems(body, document):
    for endpoint, operation in operations(body):
        for status, response in operation["responses"].items():
            if status >= "400":
                assert set(response.get("content", {})) <= {"application/problem+json"}, (endpoint, status)


SHED = ("429", "503")
# Gateway responses to a throttled function, a timeout and an unavailable backend.
FUNCTION_DOWN = ("DEFAULT_5XX", "INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT")


@pytest.mark.parametrize(("body", "document"), DOCUMENTS)
def test_a_temporary_refusal_has_retry_after(body, document):
    """Every 429 and 503, the gateway's own and an integration's, has Retry-After, and so has what load does to functions."""
    own = body["x-amazon-apigateway-gateway-responses"]
    assert own["THROTTLED"]["statusCode"] == own["QUOTA_EXCEEDED"]["statusCode"] == "429"
    for kind, rule in own.items():
        advice = rule["responseParameters"].get("gatewayresponse.header.Retry-After")
        assert bool(advice) or (rule.get("statusCode") not in SHED and kind not in FUNCTION_DOWN), kind
    for endpoint, operation in operations(body):
        for rule in operation["x-amazon-apigateway-integration"].get("responses", {}).values():
            assert rule["statusCode"] not in SHED or "method.response.header.Retry-After" in rule["responseParameters"]
            for template in rule.get("responseTemplates", {}).values():
                for branch in re.split(r"#(?:if|elseif|else|end)\b", template):
                    if re.search(r"#set\(\$\S+ = (429|503)\)", branch):
                        assert "$context.responseOverride.header.Retry-After" in branch, endpoint


@pytest.mark.parametrize(("body", "document"), DOCUMENTS)
def test_only_customers_caches_results_of_an_authorizer(body, document):
    """The other authorizers' policies are for one method. ``tests/unit/customers`` has the methods that customers caches."""
    schemes = body.get("components", {}).get("securitySchemes", {}).values()
    seconds = {
        int(scheme[AUTHORIZER]["authorizerResultTtlInSeconds"])
        for scheme in schemes
        if "authorizerUri" in scheme.get(AUTHORIZER, {})
    }
    assert seconds <= ({0, 60} if document.title == "Customers" else {0})


# Members of a document that are text.
TEXTS = {"authorizerCredentials", "authorizerUri", "credentials", "uri"}
# A number that is a parameter, so text when it is imported. SAM makes the same of ReauthorizeEvery, which customers of AWS give
# by functions like Ref (https://github.com/aws/serverless-application-model/pull/2105).
TAKEN_AS_TEXT = {"authorizerResultTtlInSeconds"}
MAKE_TEXT = {"Ref", "Fn::GetAtt", "Fn::Join", "Fn::Sub"}


def texts_with_name(value: Any, name: str = "") -> Iterator[str]:
    """The names of the members that a parameter, an attribute or a text with values in it is put into."""
    if isinstance(value, dict):
        if value.keys() & MAKE_TEXT:
            yield name
        for key, inner in value.items():
            yield from texts_with_name(inner, name if key.startswith("Fn::") else key)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_with_name(inner, name)


@pytest.mark.parametrize("path", sorted((ROOT / "schemas" / "api").rglob("*.yaml")), ids=lambda path: path.stem)
def test_numbers_in_a_document_are_numbers_when_it_is_imported(path: Path):
    """A parameter of type Number is text wherever it is referred to.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
    """
    names = set(texts_with_name(yaml.safe_load(path.read_text())))
    assert {
        name for name in names if "/" not in name
    } <= TEXTS | TAKEN_AS_TEXT  # media types have templates, which are text


# Of requests that functions send: no API returns them.
REQUEST_HEADERS = {
    ("functions/common/setpieces/connections.py", "Host"),
    ("functions/common/setpieces/connections.py", "User-Agent"),
    ("functions/common/setpieces/signing.py", "Host"),
    ("functions/vouchers/vouchers/clients/orders.py", "Authorization"),
}


def test_no_integration_returns_a_header_that_api_gateway_renames_or_drops():
    """WWW-Authenticate and the like reach the client only from gateway responses."""
    returned: set[tuple[str, str]] = set()
    for path in sorted((ROOT / "functions").rglob("*.py")):
        keys = [
            key for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Dict) for key in node.keys
        ]
        names = [key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
        returned |= {(str(path.relative_to(ROOT)), name) for name in names}
    assert returned >= REQUEST_HEADERS
    for path in sorted((ROOT / "schemas" / "api").rglob("*.yaml")):
        pattern = r"(?:method\.response|responseOverride)\.header\.([\w-]+)"
        returned |= {(str(path.relative_to(ROOT)), name) for name in re.findall(pattern, path.read_text())}
    changed = headers.REMAPPED | headers.NOT_RETURNED
    assert {(endpoint, name) for endpoint, name in returned if name.lower() in changed} == REQUEST_HEADERS


def test_a_web_acl_that_sheds_load_returns_retry_after():
    blocked = [
        rule["Action"]["Block"]["CustomResponse"]
        for _, _, acl in iter_resources("AWS::WAFv2::WebACL")
        for rule in acl["Rules"]
        if "CustomResponse" in rule.get("Action", {}).get("Block", {})
    ]
    assert len(blocked) == len(list(iter_resources("AWS::WAFv2::WebACL")))
    for response in blocked:
        assert response["ResponseCode"] == 429
        assert "Retry-After" in {header["Name"] for header in response["ResponseHeaders"]}


@pytest.mark.parametrize(
    "file", sorted((ROOT / "schemas").rglob("*.*")), ids=lambda file: str(file.relative_to(ROOT / "schemas"))
)
def test_amounts_are_in_minor_units(file: Path):
    """A currency need not have cents."""
    assert not re.search(r"\bcents?\b", file.read_text(), re.I)
