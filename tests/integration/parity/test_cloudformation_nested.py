"""The patches of ``local.emulator.patches.cloudformation_nested``, beside an emulator without patches."""

import pytest

from tests.integration.two_emulators import Cloud
from tools.client import unique

pytestmark = pytest.mark.local_only("it starts emulators of its own")

QUEUE = {"Type": "AWS::SQS::Queue"}


def test_nested_sam(plain: Cloud, patched: Cloud):
    table = {
        "Resources": {"Table": {"Type": "AWS::Serverless::SimpleTable"}},
        "Transform": "AWS::Serverless-2016-10-31",
    }
    assert plain.stack(plain.nested(table))[1] == "ROLLBACK_COMPLETE"
    assert patched.stack(patched.nested(table))[1] == "CREATE_COMPLETE"


def test_nested_types(plain: Cloud, patched: Cloud):
    misspelt = {"Resources": {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandel"}}}
    assert plain.stack(plain.nested(misspelt))[1] == "CREATE_COMPLETE"
    assert patched.stack(patched.nested(misspelt))[1] == "ROLLBACK_COMPLETE"


def test_nested_events(plain: Cloud, patched: Cloud):
    """A failure in a nested stack is in the nested stack's events."""
    child = {"Resources": {"Broken": {"Type": "AWS::SQS::Queue", "Properties": {"MaximumMessageSize": 1}}}}

    def failed_resources(cloud: Cloud) -> set[str]:
        name, status = cloud.stack(cloud.nested(child))
        assert status == "ROLLBACK_COMPLETE"
        events = cloud.aws("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
        stacks = {event["PhysicalResourceId"] for event in events} - {""}
        stack_events = (
            cloud.aws("cloudformation").describe_stack_events(StackName=stack)["StackEvents"] for stack in stacks
        )
        return {
            event["LogicalResourceId"]
            for one in stack_events
            for event in one
            if event["ResourceStatus"] == "CREATE_FAILED"
        }

    assert "Broken" not in failed_resources(plain)
    assert "Broken" in failed_resources(patched)


def test_nested_updates(plain: Cloud, patched: Cloud):
    """An update changes the parameter, and not the queue whose ARN it contains."""
    value = {"Fn::Join": ["", [{"Ref": "Text"}, {"Fn::GetAtt": ["Queue", "Arn"]}]]}
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}
    child = {"Parameters": {"Text": {"Type": "String"}}, "Resources": {"Queue": QUEUE, "Parameter": parameter}}

    def updated(cloud: Cloud) -> str:
        parent = cloud.nested(child, Text={"Ref": "Text"}) | {"Parameters": {"Text": {"Type": "String"}}}
        name, status = cloud.stack(parent, Text="first")
        assert status == "CREATE_COMPLETE"
        return cloud.stack(parent, name, Text="second")[1]

    assert updated(plain).startswith("UPDATE_ROLLBACK")
    assert updated(patched) == "UPDATE_COMPLETE"


def queues(cloud: Cloud, prefix: str) -> list[str]:
    """The names of queues that begin with ``prefix``."""
    urls = cloud.aws("sqs").list_queues(QueueNamePrefix=prefix).get("QueueUrls", [])
    return sorted(url.rpartition("/")[2] for url in urls)


def test_retained_in_nested_stacks(plain: Cloud, patched: Cloud):
    policies = {"gone": "Delete", "kept": "Retain", "made": "RetainExceptOnCreate"}
    # A queue that CloudFormation accepts and SQS refuses.
    invalid_queue = {"Type": "AWS::SQS::Queue", "Properties": {"MaximumMessageSize": 1}, "DependsOn": list(policies)}
    for cloud, enforced in ((plain, False), (patched, True)):
        for more, retained, fails in (
            ({}, ["kept", "made"] if enforced else [], False),
            ({"refused": invalid_queue}, ["kept"] if enforced else list(policies), True),
        ):
            prefix = unique("nested")
            resources = {
                name: {**QUEUE, "DeletionPolicy": policy, "Properties": {"QueueName": f"{prefix}-{name}"}}
                for name, policy in policies.items()
            }
            stack, status = cloud.stack(cloud.nested({"Resources": resources | more}))
            assert status == ("ROLLBACK_COMPLETE" if fails else "CREATE_COMPLETE")
            cloud.aws("cloudformation").delete_stack(StackName=stack)
            assert cloud.deletion_status(stack) == "DELETE_COMPLETE"
            assert queues(cloud, prefix) == [f"{prefix}-{name}" for name in retained]
