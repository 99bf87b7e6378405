"""A deployment that fails: its reasons, under the pipeline's role, and another attempt at the same."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from model.templates import pieces
from tests.integration.deployments import REFUSED, Sessions, status_of
from tests.integration.two_emulators import PATCHED, Cloud, running
from tools import stack_parameters, stacks
from tools.client import eventually, unique

pytestmark = pytest.mark.local_only("it has emulators of its own")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(PATCHED, tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


def aliased(name: str) -> dict[str, Any]:
    """A function behind an alias, as in our pieces, and a resource that can be made to fail once its version is there."""
    function = {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "InlineCode": "def handler(event, context): pass",
        "AutoPublishAlias": "live",
        "AutoPublishAliasAllProperties": True,
        "AutoPublishCodeSha256": {"Ref": "Release"},
        "Environment": {"Variables": {"SETTING": {"Ref": "Setting"}}},
    }
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Parameters": {each: {"Type": "String", "Default": "no"} for each in ("Release", "Setting", "Fails")},
        "Conditions": {"Fails": {"Fn::Equals": [{"Ref": "Fails"}, "yes"]}},
        "Resources": {
            "Function": {"Type": "AWS::Serverless::Function", "Properties": function},
            "Queue": {**REFUSED, "Condition": "Fails", "DependsOn": "FunctionAliaslive"},
        },
    }


def test_the_same_deploys_again_after_a_rollback(cloud: Cloud):
    """With the Release of the failed attempt it does not: its version is still there."""
    name = unique("aliased")
    stack, status = cloud.stack(aliased(name), Release=released(cloud, "none", Setting="before"), Setting="before")
    assert status == "CREATE_COMPLETE"
    failed = released(cloud, stack, Setting="after")
    assert (
        cloud.stack(aliased(name), stack, Release=failed, Setting="after", Fails="yes")[1] == "UPDATE_ROLLBACK_COMPLETE"
    )
    assert setting(cloud, name) == "before"
    assert cloud.stack(aliased(name), stack, Release=failed, Setting="after")[1] == "UPDATE_ROLLBACK_COMPLETE"
    assert cloud.stack(aliased(name), stack, Release=released(cloud, stack, Setting="after"), Setting="after")[1] == (
        "UPDATE_COMPLETE"
    )
    assert setting(cloud, name) == "after"


def released(cloud: Cloud, stack: str, **parameters: str) -> str:
    """``Release`` as make deploy has it for the next attempt."""
    return stack_parameters.release(parameters, stacks.deployed_stack(stack, Sessions(cloud)))


def setting(cloud: Cloud, name: str) -> str:
    """What callers of the alias get."""
    return str(
        cloud.aws("lambda").get_function(FunctionName=f"{name}:live")["Configuration"]["Environment"]["Variables"][
            "SETTING"
        ]
    )


def test_the_pipeline_reads_why_a_nested_resource_failed(cloud: Cloud):
    """It may describe its stage's stacks by name and no others, and the nested stack is gone by then."""
    started, stack = datetime.now(UTC), unique("setpieces-local")
    cloudformation = cloud.aws("cloudformation")
    cloudformation.create_stack(
        StackName=stack, TemplateBody=json.dumps(cloud.nested({"Resources": {"Broken": REFUSED}}))
    )
    eventually(
        lambda: cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"] == "ROLLBACK_COMPLETE"
    )
    reasons = stacks.failed_resources(stack, Sessions(cloud, cloud.session(*deploy_role())), started)
    assert any("/ Broken (AWS::SQS::Queue): " in reason and "MaximumMessageSize" in reason for reason in reasons), (
        reasons
    )


def test_the_pipeline_deploys_again_after_a_first_creation_failed(cloud: Cloud):
    """CloudFormation updates no stack in ROLLBACK_COMPLETE; a deployment deletes it first, and keeps others."""
    stack, cloudformation = unique("setpieces-local"), cloud.aws("cloudformation")
    pipeline = Sessions(cloud, cloud.session(*deploy_role()))
    for resource, status in ((REFUSED, "ROLLBACK_COMPLETE"), ({"Type": "AWS::SQS::Queue"}, "CREATE_COMPLETE")):
        stacks.remove_failed_creation(stack, pipeline)
        cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps({"Resources": {"Queue": resource}}))
        eventually(lambda: status_of(cloud, stack).endswith("_COMPLETE"))
        assert status_of(cloud, stack) == status
    stacks.remove_failed_creation(stack, pipeline)
    assert status_of(cloud, stack) == "CREATE_COMPLETE"


def deploy_role() -> Any:
    """The statements of the pipeline's role."""
    (policy,) = pieces()["delivery"].resources["DeployRole"]["Properties"]["Policies"]
    return policy["PolicyDocument"]["Statement"]
