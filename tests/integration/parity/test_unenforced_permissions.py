"""What the emulator does not enforce; tests/templates checks it in the templates."""

import json
from pathlib import Path

import pytest

from model.settings import ACCOUNT_ID
from tests.integration.two_emulators import Cloud
from tools.client import eventually, unique

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_role_trust(plain: Cloud):
    """A function with a role that Lambda may not assume."""
    function = plain.function("def handler(event, context): return 'ran'", Role=plain.role("states"))
    assert plain.invoke(function) == "ran"


def test_permissions_boundary(plain: Cloud):
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    properties = {
        "AssumeRolePolicyDocument": trust,
        "PermissionsBoundary": f"arn:aws:iam::{ACCOUNT_ID}:policy/none",
    }
    name, status = plain.stack({"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}}})
    assert status == "CREATE_COMPLETE"
    resource = plain.aws("cloudformation").describe_stack_resource(StackName=name, LogicalResourceId="Role")
    role = plain.aws("iam").get_role(RoleName=resource["StackResourceDetail"]["PhysicalResourceId"])["Role"]
    assert "PermissionsBoundary" not in role


def test_state_machine_roles(plain: Cloud):
    url, _ = plain.queue()
    send = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": True}
    send["Parameters"] = {"QueueUrl": url, "MessageBody": "sent"}
    states = plain.aws("stepfunctions")
    machine = states.create_state_machine(
        name=unique("machine"),
        roleArn=plain.role("states"),
        definition=json.dumps({"StartAt": "Send", "States": {"Send": send}}),
    )
    states.start_execution(stateMachineArn=machine["stateMachineArn"])
    assert eventually(lambda: plain.received(url))


def test_queue_policies_for_rules(plain: Cloud):
    url, arn = plain.queue()
    plain.send_event({"Arn": arn})
    assert eventually(lambda: plain.received(url))


def test_schedule_roles(plain: Cloud):
    url, arn = plain.queue()
    plain.aws("scheduler").create_schedule(
        Name=unique("schedule"),
        ScheduleExpression="at(2020-01-01T00:00:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": plain.role("scheduler"), "Input": "{}"},
    )
    assert eventually(lambda: plain.received(url))


def test_consumer_roles(plain: Cloud, tmp_path: Path):
    seen = tmp_path / "seen"
    function = plain.function(f"def handler(event, context): open({str(seen)!r}, 'w')")
    url, arn = plain.queue()
    plain.aws("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName=function)
    plain.aws("sqs").send_message(QueueUrl=url, MessageBody="for a function without permission")
    assert eventually(seen.exists)


def test_log_permissions(plain: Cloud):
    function = plain.function("def handler(event, context): print('written')")
    plain.invoke(function)
    events = eventually(lambda: plain.aws("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"])
    assert any("written" in event["message"] for event in events)


def test_key_policies(plain: Cloud):
    deny_all = {"Effect": "Deny", "Principal": "*", "Action": "kms:Encrypt", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [deny_all]})
    key = plain.aws("kms").create_key(Policy=policy, BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["KeyId"]
    assert plain.aws("kms").encrypt(KeyId=key, Plaintext=b"open")["CiphertextBlob"]
