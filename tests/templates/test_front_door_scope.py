"""What APIs use, the front door has. Anything else would work on AWS only (``make parity``, gateway-features).

Whoever uses more of API Gateway teaches the front door first, and adds it here.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from model.templates import Piece, pieces

STAGE = {
    "AccessLogSetting",
    "DeploymentId",
    "MethodSettings",
    "RestApiId",
    "StageName",
    "Tags",
    "TracingEnabled",
    "Variables",
}
METHOD_SETTINGS = {"HttpMethod", "MetricsEnabled", "ResourcePath", "ThrottlingBurstLimit", "ThrottlingRateLimit"}
API = {"Body", "EndpointConfiguration", "Name", "Parameters", "Policy", "Tags"}
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
EXTENSIONS = {
    "x-amazon-apigateway-any-method",
    "x-amazon-apigateway-api-key-source",
    "x-amazon-apigateway-authorizer",
    "x-amazon-apigateway-authtype",
    "x-amazon-apigateway-binary-media-types",
    "x-amazon-apigateway-gateway-responses",
    "x-amazon-apigateway-integration",
    "x-amazon-apigateway-policy",
    "x-amazon-apigateway-request-validator",
    "x-amazon-apigateway-request-validators",
}
INTEGRATION = {
    "contentHandling",
    "credentials",
    "httpMethod",
    "passthroughBehavior",
    "requestParameters",
    "requestTemplates",
    "responses",
    "timeoutInMillis",
    "type",
    "uri",
}
AUTHORIZER = {
    "authorizerCredentials",
    "authorizerResultTtlInSeconds",
    "authorizerUri",
    "identitySource",
    "identityValidationExpression",
    "type",
}
PIECES = [pytest.param(piece, id=service) for service, piece in pieces().items() if piece.apis]


def iter_members(value: Any) -> Iterator[tuple[str, Any]]:
    """(name, value) of every member of every object in ``value``."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield str(name), inner
            yield from iter_members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from iter_members(inner)


@pytest.mark.parametrize("piece", PIECES)
def test_an_api_uses_only_features_of_the_front_door(piece: Piece):
    for stage in piece.of_type("AWS::ApiGateway::Stage").values():
        assert set(stage) <= STAGE
        assert {name for setting in stage.get("MethodSettings", []) for name in setting} <= METHOD_SETTINGS
    for api in piece.of_type("AWS::ApiGateway::RestApi").values():
        assert set(api) <= API
        assert api.get("EndpointConfiguration", {}).get("Types", ["REGIONAL"]) != ["PRIVATE"]
        members = list(iter_members(api["Body"]))
        assert {name for name, _ in members if name.startswith("x-amazon-apigateway-")} <= EXTENSIONS
        for name, value in members:
            if name == "x-amazon-apigateway-integration":
                assert set(value) <= INTEGRATION
            elif name == "x-amazon-apigateway-authorizer":
                assert set(value) <= AUTHORIZER
                assert value["type"] in ("token", "request")
