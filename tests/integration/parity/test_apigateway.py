"""What the emulator imports of an API document."""

import pytest

from model.settings import REGION
from tests.integration.two_emulators import Cloud
from tools.client import unique

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_api_documents(plain: Cloud):
    integration = {
        "type": "aws",
        "httpMethod": "POST",
        "uri": f"arn:aws:apigateway:{REGION}:dynamodb:action/GetItem",
        "credentials": "arn:aws:iam::000000000000:role/of-the-integration",
        "requestTemplates": {"application/json": "{}"},
    }
    document = {
        "openapi": "3.0.1",
        "info": {"title": "probe", "version": "1"},
        "paths": {"/items": {"get": {"responses": {}, "x-amazon-apigateway-integration": integration}}},
    }
    apis, name = plain.aws("apigateway"), unique("api")
    plain.stack(
        {"Resources": {"Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": name, "Body": document}}}}
    )
    (api,) = (item["id"] for item in apis.get_rest_apis()["items"] if item["name"] == name)
    (resource,) = (item["id"] for item in apis.get_resources(restApiId=api)["items"] if item["path"] == "/items")
    imported = apis.get_integration(restApiId=api, resourceId=resource, httpMethod="GET")
    assert imported["uri"] == integration["uri"]
    assert not imported.get("requestTemplates")
    assert not imported.get("credentials")
