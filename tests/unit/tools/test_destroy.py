"""``make destroy`` on a stack in moto."""

import json
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws

from tools import destroy

STACK = "setpieces-dev-basket"
TEMPLATE = {
    "Resources": {
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "DeletionPolicy": "RetainExceptOnCreate",
            "Properties": {
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        },
        "Topic": {"Type": "AWS::SNS::Topic"},
    }
}


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch):
    with mock_aws():
        session = boto3.Session("test", "test", region_name="eu-central-1")
        session.client("cloudformation").create_stack(StackName=STACK, TemplateBody=json.dumps(TEMPLATE))
        monkeypatch.setattr(destroy, "session_for", lambda stage: session)
        monkeypatch.setattr(destroy, "check_account", lambda stage, session: None)
        yield session


def run(*arguments: str) -> Any:
    return CliRunner().invoke(destroy.main, ["--env", "dev", "--piece", "basket", *arguments])


def stacks(session: boto3.Session) -> list[str]:
    return [stack["StackName"] for stack in session.client("cloudformation").describe_stacks()["Stacks"]]


def test_without_a_confirmation_it_lists_retained_resources_and_deletes_nothing(session):
    result = run()
    assert result.exit_code == 1
    assert "Table" in result.output
    assert "data; import it" in result.output
    assert "1 other resources are deleted" in result.output
    assert f"CONFIRM={STACK}" in result.output
    assert stacks(session) == [STACK]


def test_another_name_does_not_confirm(session):
    assert run("--confirm", "setpieces-dev").exit_code == 1
    assert stacks(session) == [STACK]


def test_a_confirmed_stack_is_deleted(session):
    result = run("--confirm", STACK)
    assert result.exit_code == 0, result.output
    assert stacks(session) == []


def test_a_stack_that_does_not_exist_is_reported(session):
    result = CliRunner().invoke(destroy.main, ["--env", "dev", "--piece", "tax"])
    assert result.exit_code == 1
    assert "Stack setpieces-dev-tax does not exist" in result.output


def test_an_unknown_piece_is_refused(session):
    assert (
        "unknown set piece 'nonsense'"
        in CliRunner().invoke(destroy.main, ["--env", "dev", "--piece", "nonsense"]).output
    )


def test_another_account_is_refused(session, monkeypatch: pytest.MonkeyPatch):
    def refuse(stage: str, session: boto3.Session) -> None:
        raise destroy.DeployFailed("another account")

    monkeypatch.setattr(destroy, "check_account", refuse)
    result = run("--confirm", STACK)
    assert result.exit_code == 1
    assert stacks(session) == [STACK]


DELIVERY = "setpieces-dev-delivery"
ARTIFACTS = "setpieces-dev-artifacts-123456789012"


@pytest.fixture
def bootstrapped(session):
    resources = {"Artifacts": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": ARTIFACTS}}}
    body = json.dumps({"Resources": resources})
    session.client("cloudformation").create_stack(StackName=DELIVERY, TemplateBody=body)
    session.client("s3").put_bucket_versioning(Bucket=ARTIFACTS, VersioningConfiguration={"Status": "Enabled"})
    for content in (b"one", b"two"):
        session.client("s3").put_object(Bucket=ARTIFACTS, Key="code.zip", Body=content)
    return session


def destroy_delivery() -> Any:
    return CliRunner().invoke(destroy.main, ["--env", "dev", "--piece", "delivery", "--confirm", DELIVERY])


def test_delivery_can_be_destroyed_only_last(bootstrapped):
    result = destroy_delivery()
    assert isinstance(result.exception, destroy.CommandFailed) or result.exit_code
    assert f"First destroy {STACK}" in result.output + str(result.exception)
    assert len(bootstrapped.client("s3").list_object_versions(Bucket=ARTIFACTS)["Versions"]) == 2


def test_all_versions_of_artifacts_are_deleted_so_that_the_bucket_can_be(bootstrapped):
    run("--confirm", STACK)
    result = destroy_delivery()
    assert result.exit_code == 0, result.output
    assert stacks(bootstrapped) == []
    assert bootstrapped.client("s3").list_buckets()["Buckets"] == []
