"""The patches of ``local.emulator.patches.cloudformation``, beside an emulator without patches."""

import json
from typing import Any

import pytest

from local.emulator.patches.cloudformation import UNSUPPORTED
from tests.integration.two_emulators import Cloud, allow, error_code
from tools.client import eventually, unique

pytestmark = pytest.mark.local_only("it starts emulators of its own")

QUEUE = {"Type": "AWS::SQS::Queue"}


def test_sam_parameters(plain: Cloud, patched: Cloud):
    """A new value of the parameter Release publishes a version to which the alias points."""
    name = unique("aliased")
    function = {
        "FunctionName": name,
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "InlineCode": "def handler(event, context): pass",
        "AutoPublishAlias": "live",
        "AutoPublishCodeSha256": {"Ref": "Release"},
    }
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Parameters": {"Release": {"Type": "String"}},
        "Resources": {"Function": {"Type": "AWS::Serverless::Function", "Properties": function}},
    }

    def version() -> str:
        return patched.aws("lambda").get_alias(FunctionName=name, Name="live")["FunctionVersion"]

    assert plain.stack(template, Release="first")[1] == "REFUSED"
    stack, status = patched.stack(template, Release="first")
    assert status == "CREATE_COMPLETE"
    first = version()
    assert patched.stack(template, stack, Release="second")[1] == "UPDATE_COMPLETE"
    assert version() != first


@pytest.mark.parametrize("kind", UNSUPPORTED)
def test_unknown_types(plain: Cloud, patched: Cloud, kind: str):
    template = {"Resources": {"Unknown": {"Type": kind}}}
    assert plain.stack(template)[1] == "REFUSED"
    assert patched.stack(template)[1] == "CREATE_COMPLETE"


def test_generated_names(plain: Cloud, patched: Cloud):
    """A stack is created, deleted and created again; its table is retained."""
    table = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    resource = {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "Properties": table}
    for cloud, count in ((plain, 1), (patched, 2)):
        api, name = cloud.aws("cloudformation"), unique("stack")
        for _ in range(2):
            api.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Table": resource}}))
            eventually(
                lambda: api.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"  # noqa: B023
            )
            api.delete_stack(StackName=name)
            assert cloud.deletion_status(name) == "DELETE_COMPLETE"
        dynamodb = cloud.aws("dynamodb")
        tables = [each for each in dynamodb.list_tables()["TableNames"] if each.startswith(name)]
        assert len(tables) == count
        for table_name in tables:
            dynamodb.delete_table(TableName=table_name)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("AWS::ECR::Repository", "RepositoryName"),
        ("AWS::Logs::LogGroup", "LogGroupName"),
        ("AWS::SNS::Topic", "TopicName"),
        ("AWS::SQS::Queue", "QueueName"),
    ],
)
def test_taken_names(plain: Cloud, patched: Cloud, kind: str, named: str):
    """Types that the emulator's CloudFormation creates itself; test_lives.py covers all types with names in templates."""
    for cloud, status in ((plain, "CREATE_COMPLETE"), (patched, "ROLLBACK_COMPLETE")):
        template = {"Resources": {"Named": {"Type": kind, "Properties": {named: unique("named")}}}}
        assert cloud.stack(template)[1] == "CREATE_COMPLETE"
        assert cloud.stack(template)[1] == status


@pytest.mark.parametrize(
    ("kind", "named", "more"),
    [
        ("AWS::Logs::LogGroup", "LogGroupName", {}),
        ("AWS::Events::Rule", "Name", {"ScheduleExpression": "rate(1 day)"}),
        ("AWS::SecretsManager::Secret", "Name", {"SecretString": "probe"}),
    ],
)
def test_nothing_is_renamed_to_a_taken_name(plain: Cloud, patched: Cloud, kind: str, named: str, more: dict[str, str]):
    """A free name is used, freed by a rollback, and used again."""
    taken, first, second = unique("taken"), unique("first"), unique("second")

    def template(name: str, **others: Any) -> dict[str, Any]:
        return {"Resources": {"Named": {"Type": kind, "Properties": {named: name, **more}}, **others}}

    failing = {"Type": "AWS::Logs::LogGroup", "DependsOn": "Named", "Properties": {"LogGroupName": unique("group")}}
    for cloud, status in ((plain, "UPDATE_COMPLETE"), (patched, "UPDATE_ROLLBACK_COMPLETE")):
        assert cloud.stack(template(taken))[1] == "CREATE_COMPLETE"
        stack, _ = cloud.stack(template(first))
        assert cloud.stack(template(taken), stack)[1] == status
    cloud.stack({"Resources": {"Group": {key: failing[key] for key in ("Type", "Properties")}}})
    assert patched.stack(template(second, Failing=failing), stack)[1] == "UPDATE_ROLLBACK_COMPLETE"
    for name in (second, first):
        assert patched.stack(template(name), stack)[1] == "UPDATE_COMPLETE"


def test_service_role(plain: Cloud, patched: Cloud):
    """A queue in a nested stack: the role needs its permissions and iam:PassRole, as does the caller."""
    queues, stacks = allow("sqs:*"), allow("cloudformation:*")
    for cloud, enforced in ((plain, False), (patched, True)):
        expected_status = "ROLLBACK_COMPLETE" if enforced else "CREATE_COMPLETE"
        template = cloud.nested({"Resources": {"Queue": QUEUE}})
        assert cloud.stack(template, role=cloud.role("cloudformation", stacks, queues))[1] == expected_status
        assert (
            cloud.stack(template, role=cloud.role("cloudformation", stacks, allow("iam:PassRole")))[1]
            == expected_status
        )
        whole = cloud.role("cloudformation", stacks, queues, allow("iam:PassRole"))
        stack, status = cloud.stack(template, role=whole)
        assert status == "CREATE_COMPLETE"
        api = cloud.aws("cloudformation", cloud.session(stacks))
        change = {"StackName": unique("stack"), "ChangeSetName": "first", "ChangeSetType": "CREATE", "RoleARN": whole}
        code = error_code(api.create_change_set, TemplateBody=json.dumps({"Resources": {"Queue": QUEUE}}), **change)
        assert code == ("AccessDenied" if enforced else "")
        # With its role, and without what deletes a queue.
        cloud.aws("iam").put_role_policy(
            RoleName=whole.rpartition("/")[2],
            PolicyName="no-deletion",
            PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "sqs:DeleteQueue", "Resource": "*"}}
            ),
        )
        cloud.aws("cloudformation").delete_stack(StackName=stack)
        assert cloud.deletion_status(stack) == ("DELETE_FAILED" if enforced else "DELETE_COMPLETE")


def test_missing_code(plain: Cloud):
    code = {"S3Bucket": unique("nowhere"), "S3Key": "code.zip"}
    properties = {"Runtime": "python3.13", "Handler": "app.handler", "Role": plain.role("lambda"), "Code": code}
    template = {"Resources": {"Function": {"Type": "AWS::Lambda::Function", "Properties": properties}}}
    assert plain.stack(template)[1] == "CREATE_COMPLETE"
