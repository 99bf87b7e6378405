"""What is deployed, from the resources of CloudFormation."""

from __future__ import annotations

from typing import Any

import pytest

from apigw_executor.deployment import Deployment, assemble
from apigw_executor.throttles import Limits, Quota


def resource(kind: str, physical_id: str, **properties: Any) -> dict[str, Any]:
    return {
        "stack": "s",
        "logical_id": physical_id,
        "type": f"AWS::ApiGateway::{kind}",
        "physical_id": physical_id,
        "properties": properties,
    }


BODY = {"openapi": "3.0.1", "paths": {"/v1/pets/{id}": {"get": {}, "x-amazon-apigateway-any-method": {}}}}
RESOURCES = [
    resource(
        "RestApi",
        "api1",
        Name="demo-pets",
        Body=BODY,
        BinaryMediaTypes=["image/png"],
        ApiKeySourceType="HEADER",
    ),
    resource("RestApi", "api2", Name="other-pets", Body=BODY),
    resource("RestApi", "api3", Name="demo-broken", Body={"paths": {"/x": {"get": {"parameters": [5]}}}}),
    resource("RestApi", "api4", Name="demo-bare"),
    resource(
        "Stage",
        "local",
        RestApiId="api1",
        StageName="local",
        Variables={"n": 1},
        MethodSettings=[
            {"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": 50, "ThrottlingBurstLimit": "20"},
            {
                "ResourcePath": "/~1v1~1pets~1{id}",
                "HttpMethod": "GET",
                "ThrottlingRateLimit": 1,
                "ThrottlingBurstLimit": 2,
            },
            {"ResourcePath": "/*", "HttpMethod": "PUT", "MetricsEnabled": True},
        ],
        AccessLogSetting={"DestinationArn": "arn:aws:logs:eu:1:log-group:g", "Format": "$context.requestId"},
    ),
    resource("Stage", "other", RestApiId="api1", StageName="other"),
    resource(
        "UsagePlan",
        "plan1",
        ApiStages=[
            {"ApiId": "api1", "Stage": "local", "Throttle": {"/v1/pets/{id}/GET": {"RateLimit": 3, "BurstLimit": 4}}}
        ],
        Throttle={"RateLimit": 10, "BurstLimit": 20},
        Quota={"Limit": "1000", "Period": "DAY"},
    ),
    resource("ApiKey", "key1", Enabled="true"),
    resource("ApiKey", "key2", Enabled=False, Value="declared"),
    resource("UsagePlanKey", "join", UsagePlanId="plan1", KeyId="key1", KeyType="API_KEY"),
]


@pytest.fixture
def deployment() -> Deployment:
    return assemble(
        RESOURCES,
        {"key1": "generated"},
        [("plan1", "key2")],
        prefix="demo-",
        stage="local",
        region="eu-central-1",
        account="1",
    )


def test_apis_of_the_stage_only(deployment: Deployment) -> None:
    assert set(deployment.apis) == {"pets"}
    api = deployment.apis["pets"]
    assert (api.api_id, api.stage.name, api.stage.variables) == ("api1", "local", {"n": "1"})
    assert api.document.binary_media_types == ("image/png",)
    assert api.arn("GET", "/v1/pets/1") == "arn:aws:execute-api:eu-central-1:1:api1/local/GET/v1/pets/1"
    assert api.stage.access_log is not None


def test_method_settings(deployment: Deployment) -> None:
    api = deployment.apis["pets"]
    operations = api.document.resources["/v1/pets/{id}"]
    assert api.stage.limits_for(operations["GET"])[1] == Limits(1, 2)
    assert api.stage.limits_for(operations["ANY"])[1] == Limits(50, 20)


def test_usage_plans_and_keys(deployment: Deployment) -> None:
    plan = deployment.plans["plan1"]
    assert plan.stages == {("api1", "local"): {("/v1/pets/{id}", "GET"): Limits(3, 4)}}
    assert (plan.limits, plan.quota) == (Limits(10, 20), Quota(1000, "DAY"))
    assert (deployment.keys["generated"].enabled, deployment.keys["generated"].plans) == (True, ("plan1",))
    assert (deployment.keys["declared"].enabled, deployment.keys["declared"].plans) == (False, ("plan1",))


def test_nothing_deployed() -> None:
    assert assemble([], {}, [], prefix="p-", stage="s", region="r", account="1") == Deployment()


def test_a_web_acl_protects_its_associated_resources() -> None:
    def waf(kind: str, physical_id: str, **properties: Any) -> dict[str, Any]:
        return resource("", physical_id, **properties) | {"type": f"AWS::WAFv2::{kind}"}

    acl = {"DefaultAction": {"Allow": {}}, "Rules": []}
    arn = "arn:aws:wafv2:eu:1:regional/webacl"
    captcha = {"Name": "r", "Priority": 0, "Action": {"Captcha": {}}, "Statement": {"AndStatement": {"Statements": []}}}
    stage = "arn:aws:apigateway:eu::/restapis/api1/stages/local"
    balancer = "arn:aws:elasticloadbalancing:eu:1:loadbalancer/app/b/1"

    def deployed(*resources: dict[str, Any]) -> Deployment:
        settings = {"prefix": "demo-", "stage": "local", "region": "eu", "account": "1"}
        return assemble(resources, {}, [], **settings)

    deployment = deployed(
        *RESOURCES,
        waf("WebACL", "apis|1|REGIONAL", Name="apis", **acl),
        waf("WebACL", "edge|2|REGIONAL", Name="edge", **acl),
        waf("WebACL", "odd|3|REGIONAL", Name="odd", **acl | {"Rules": [captcha]}),
        waf(
            "WebACLAssociation",
            "a",
            ResourceArn=stage,
            WebACLArn=f"{arn}/apis/1",
        ),
        waf("WebACLAssociation", "b", ResourceArn=balancer, WebACLArn=f"{arn}/edge/2"),
    )
    assert deployment.apis["pets"].web_acl
    assert deployment.apis["pets"].web_acl.name == "apis"
    assert deployment.web_acls[balancer].name == "edge"
    assert deployed(*RESOURCES).apis["pets"].web_acl is None
