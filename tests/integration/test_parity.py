"""The local cloud's corrections at work, beside the emulator as it comes: what each test shows of ``plain`` is why its
correction is there. A test that fails on ``plain`` says that a newer emulator needs the correction no longer.

``make parity`` finds the test of a correction by its name: ``test_nested_sam`` for ``nested-sam``.
"""

import base64
import gzip
import hashlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import httpx
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError
from ministack.core import lambda_runtime
from ministack.services import alb

from local import emulator_client
from local.credentials import ROOT_ACCESS_KEY_ID
from local.emulator import corrections
from model.settings import ACCOUNT_ID, REGION, ROOT
from tests.integration.two_emulators import CORRECTED, PLAIN, Cloud, allow, running
from tests.present import present
from tools.client import eventually, unique

pytestmark = pytest.mark.local_only("it has emulators of its own")

QUEUE = {"Type": "AWS::SQS::Queue"}
RUNTIME_ERROR = "[ERROR] {0}: {1}\nTraceback (most recent call last):"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(PLAIN, tmp_path_factory.mktemp("plain")) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(CORRECTED, tmp_path_factory.mktemp("corrected")) as cloud:
        yield cloud


def error_code(call: Any, **arguments: Any) -> str:
    """The code of the error that a call of an AWS API ends in; empty if it succeeds."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


# --- corrections ---


def test_expression_syntax(plain: Cloud, corrected: Cloud):
    """Faults that AWS finds in the expression itself: there is no item, and the condition does not hold."""
    table, key = unique("table"), {"id": {"S": "1"}}
    names, values = {"#c": "id"}, {":v": {"S": "1"}}
    faults: dict[str, dict[str, Any]] = {
        "update_item": {
            "Key": key,
            "UpdateExpression": "SET a = :v nonsense words",
            "ExpressionAttributeValues": values,
        },
        "put_item": {"Item": key, "ConditionExpression": "attribute_exists(id) AND"},
        "query": {
            "KeyConditionExpression": "#c = :v OR #c = :v",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        },
    }
    codes = []
    for cloud in (plain, corrected):
        dynamodb = cloud.aws("dynamodb")
        dynamodb.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        codes.append(
            [error_code(getattr(dynamodb, call), TableName=table, **arguments) for call, arguments in faults.items()]
        )
        dynamodb.delete_table(TableName=table)
    assert codes[0] == ["", "ValidationException", ""]
    assert codes[1] == ["ValidationException"] * len(faults)


def test_nested_sam(plain: Cloud, corrected: Cloud):
    table = {
        "Resources": {"Table": {"Type": "AWS::Serverless::SimpleTable"}},
        "Transform": "AWS::Serverless-2016-10-31",
    }
    assert plain.stack(plain.nested(table))[1] == "ROLLBACK_COMPLETE"
    assert corrected.stack(corrected.nested(table))[1] == "CREATE_COMPLETE"


def test_sam_parameters(plain: Cloud, corrected: Cloud):
    """A parameter says which release it is; a new one has to reach the alias's callers."""
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
        return corrected.aws("lambda").get_alias(FunctionName=name, Name="live")["FunctionVersion"]

    assert plain.stack(template, Release="first")[1] == "REFUSED"
    stack, status = corrected.stack(template, Release="first")
    assert status == "CREATE_COMPLETE"
    first = version()
    assert corrected.stack(template, stack, Release="second")[1] == "UPDATE_COMPLETE"
    assert version() != first


def test_nested_events(plain: Cloud, corrected: Cloud):
    """A failure in a nested stack is in the nested stack's events."""
    child = {"Resources": {"Broken": {"Type": "AWS::SQS::Queue", "Properties": {"MaximumMessageSize": 1}}}}

    def failed(cloud: Cloud) -> set[str]:
        name, status = cloud.stack(cloud.nested(child))
        assert status == "ROLLBACK_COMPLETE"
        events = cloud.aws("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
        stacks = {event["PhysicalResourceId"] for event in events} - {""}
        every = (cloud.aws("cloudformation").describe_stack_events(StackName=stack)["StackEvents"] for stack in stacks)
        return {
            event["LogicalResourceId"] for one in every for event in one if event["ResourceStatus"] == "CREATE_FAILED"
        }

    assert "Broken" not in failed(plain)
    assert "Broken" in failed(corrected)


def test_published_versions(plain: Cloud, corrected: Cloud):
    """The version of an update that was rolled back stays, and the same function cannot be published again."""
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.13",
            "Handler": "index.handler",
            "Role": f"arn:aws:iam::{ACCOUNT_ID}:role/none",
            "Code": {"ZipFile": "def handler(event, context): pass"},
            "Description": {"Ref": "Text"},
        },
    }
    version = {
        "Type": "AWS::Lambda::Version",
        "DeletionPolicy": "Retain",
        "Properties": {"FunctionName": {"Ref": "Function"}},
    }
    invalid_queue = {"Type": "AWS::SQS::Queue", "Properties": {"MaximumMessageSize": 1}, "DependsOn": "Second"}

    def template(**resources: Any) -> dict[str, Any]:
        return {"Parameters": {"Text": {"Type": "String"}}, "Resources": {"Function": function, **resources}}

    def again(cloud: Cloud) -> str:
        stack, status = cloud.stack(template(First=version), Text="one")
        assert status == "CREATE_COMPLETE"
        assert (
            cloud.stack(template(Second=version, Queue=invalid_queue), stack, Text="two")[1]
            == "UPDATE_ROLLBACK_COMPLETE"
        )
        return cloud.stack(template(Second=version), stack, Text="two")[1]

    assert again(plain) == "UPDATE_COMPLETE"
    assert again(corrected) == "UPDATE_ROLLBACK_COMPLETE"


def test_service_role(plain: Cloud, corrected: Cloud):
    """A queue in a nested stack: the role needs the queue's permissions, and to be passed on; its giver needs to pass it."""
    queues, stacks = allow("sqs:*"), allow("cloudformation:*")
    for cloud, enforced in ((plain, False), (corrected, True)):
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
        assert deletion_of(stack, cloud) == ("DELETE_FAILED" if enforced else "DELETE_COMPLETE")


def deletion_of(stack: str, cloud: Cloud) -> str:
    """The final status of a stack's deletion."""

    def ended() -> str:
        try:
            status = cloud.aws("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        except ClientError:
            return "DELETE_COMPLETE"
        return status if status in ("DELETE_COMPLETE", "DELETE_FAILED") else ""

    return eventually(ended)


def test_nested_types(plain: Cloud, corrected: Cloud):
    misspelt = {"Resources": {"Handle": {"Type": "AWS::CloudFormation::WaitConditionHandel"}}}
    assert plain.stack(plain.nested(misspelt))[1] == "CREATE_COMPLETE"
    assert corrected.stack(corrected.nested(misspelt))[1] == "ROLLBACK_COMPLETE"


def test_nested_updates(plain: Cloud, corrected: Cloud):
    """The parameter changes, the queue whose ARN it holds does not."""
    value = {"Fn::Join": ["", [{"Ref": "Text"}, {"Fn::GetAtt": ["Queue", "Arn"]}]]}
    parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}
    child = {"Parameters": {"Text": {"Type": "String"}}, "Resources": {"Queue": QUEUE, "Parameter": parameter}}

    def updated(cloud: Cloud) -> str:
        parent = cloud.nested(child, Text={"Ref": "Text"}) | {"Parameters": {"Text": {"Type": "String"}}}
        name, status = cloud.stack(parent, Text="first")
        assert status == "CREATE_COMPLETE"
        return cloud.stack(parent, name, Text="second")[1]

    assert updated(plain).startswith("UPDATE_ROLLBACK")
    assert updated(corrected) == "UPDATE_COMPLETE"


def queues(cloud: Cloud, prefix: str) -> list[str]:
    """The names of queues that begin with ``prefix``."""
    urls = cloud.aws("sqs").list_queues(QueueNamePrefix=prefix).get("QueueUrls", [])
    return sorted(url.rpartition("/")[2] for url in urls)


def test_retained_in_nested_stacks(plain: Cloud, corrected: Cloud):
    policies = {"gone": "Delete", "kept": "Retain", "made": "RetainExceptOnCreate"}
    # A queue that CloudFormation accepts and SQS refuses.
    invalid_queue = {"Type": "AWS::SQS::Queue", "Properties": {"MaximumMessageSize": 1}, "DependsOn": list(policies)}
    for cloud, enforced in ((plain, False), (corrected, True)):
        for more, deleted, failed in (
            ({}, ["kept", "made"] if enforced else [], False),
            ({"refused": invalid_queue}, ["kept"] if enforced else list(policies), True),
        ):
            prefix = unique("nested")
            resources = {
                name: {**QUEUE, "DeletionPolicy": policy, "Properties": {"QueueName": f"{prefix}-{name}"}}
                for name, policy in policies.items()
            }
            stack, status = cloud.stack(cloud.nested({"Resources": resources | more}))
            assert status == ("ROLLBACK_COMPLETE" if failed else "CREATE_COMPLETE")
            cloud.aws("cloudformation").delete_stack(StackName=stack)
            assert deletion_of(stack, cloud) == "DELETE_COMPLETE"
            assert queues(cloud, prefix) == [f"{prefix}-{name}" for name in deleted]


def test_filled_buckets(plain: Cloud, corrected: Cloud):
    for cloud, status in ((plain, "DELETE_COMPLETE"), (corrected, "DELETE_FAILED")):
        bucket, s3 = unique("bucket"), cloud.aws("s3")
        properties = {"BucketName": bucket, "VersioningConfiguration": {"Status": "Enabled"}}
        stack, _ = cloud.stack({"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}})
        s3.put_object(Bucket=bucket, Key="file", Body=b"")
        s3.delete_object(Bucket=bucket, Key="file")
        cloud.aws("cloudformation").delete_stack(StackName=stack)
        assert deletion_of(stack, cloud) == status


def test_generated_names(plain: Cloud, corrected: Cloud):
    """A stack is made, deleted and made again; its table is retained."""
    table = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    }
    resource = {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain", "Properties": table}
    for cloud, count in ((plain, 1), (corrected, 2)):
        api, name = cloud.aws("cloudformation"), unique("stack")
        for _ in range(2):
            api.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Table": resource}}))
            eventually(
                lambda: api.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"  # noqa: B023
            )
            api.delete_stack(StackName=name)
            assert deletion_of(name, cloud) == "DELETE_COMPLETE"
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
def test_taken_names(plain: Cloud, corrected: Cloud, kind: str, named: str):
    """Of types that CloudFormation makes itself here; test_lives.py asks all types that templates name."""
    for cloud, status in ((plain, "CREATE_COMPLETE"), (corrected, "ROLLBACK_COMPLETE")):
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
def test_nothing_is_renamed_to_a_taken_name(
    plain: Cloud, corrected: Cloud, kind: str, named: str, more: dict[str, str]
):
    """A free name is used, freed by a rollback, and used again."""
    taken, first, second = unique("taken"), unique("first"), unique("second")

    def template(name: str, **others: Any) -> dict[str, Any]:
        return {"Resources": {"Named": {"Type": kind, "Properties": {named: name, **more}}, **others}}

    failing = {"Type": "AWS::Logs::LogGroup", "DependsOn": "Named", "Properties": {"LogGroupName": unique("group")}}
    for cloud, status in ((plain, "UPDATE_COMPLETE"), (corrected, "UPDATE_ROLLBACK_COMPLETE")):
        assert cloud.stack(template(taken))[1] == "CREATE_COMPLETE"
        stack, _ = cloud.stack(template(first))
        assert cloud.stack(template(taken), stack)[1] == status
    cloud.stack({"Resources": {"Group": {key: failing[key] for key in ("Type", "Properties")}}})
    assert corrected.stack(template(second, Failing=failing), stack)[1] == "UPDATE_ROLLBACK_COMPLETE"
    for name in (second, first):
        assert corrected.stack(template(name), stack)[1] == "UPDATE_COMPLETE"


def test_log_groups(plain: Cloud, corrected: Cloud):
    """A role within a boundary, and one without."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    properties = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": trust}}
    boundary = {"PermissionsBoundary": f"arn:aws:iam::{ACCOUNT_ID}:policy/none"}
    for cloud in (plain, corrected):
        for more, makes in (({}, True), (boundary, cloud is plain)):
            role = {"Type": "AWS::IAM::Role", "Properties": properties | more}
            stack, _ = cloud.stack({"Resources": {"Role": role}})
            (made,) = cloud.aws("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
            arn = cloud.aws("iam").get_role(RoleName=made["PhysicalResourceId"])["Role"]["Arn"]
            function = cloud.function("def handler(event, context): pass", Role=arn)
            other = cloud.function("def handler(event, context): pass")
            cloud.invoke(function)
            # What is invoked later is logged later.
            cloud.invoke(other)
            assert eventually(lambda: groups(cloud, other))  # noqa: B023
            assert bool(groups(cloud, function)) is makes


def groups(cloud: Cloud, function: str) -> list[str]:
    """The log groups of a function."""
    descriptions = cloud.aws("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{function}")["logGroups"]
    return [group["logGroupName"] for group in descriptions]


@pytest.mark.parametrize("kind", corrections.LEFT_OUT)
def test_unknown_types(plain: Cloud, corrected: Cloud, kind: str):
    template = {"Resources": {"Unknown": {"Type": kind}}}
    assert plain.stack(template)[1] == "REFUSED"
    assert corrected.stack(template)[1] == "CREATE_COMPLETE"


def test_error_type(plain: Cloud, corrected: Cloud):
    code = "class Busy(Exception): pass\ndef handler(event, context): raise Busy"
    assert plain.invoke(plain.function(code))["errorType"] == "Runtime.HandlerError"
    assert corrected.invoke(corrected.function(code))["errorType"] == "Busy"


@pytest.mark.parametrize(
    ("code", "error_type", "message", "event"),
    [
        pytest.param(
            "import nowhere",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'nowhere'",
            RUNTIME_ERROR,
            id="import",
        ),
        pytest.param(
            "\n\ndef handler(event, context) return 1",
            "Runtime.UserCodeSyntaxError",
            "Syntax error in module 'app': expected ':' (app.py, line 3)",
            RUNTIME_ERROR + '\n  File "…app.py" Line 3\n    def handler(event, context) return 1',
            id="syntax",
        ),
        pytest.param(
            "handle = None",
            "Runtime.HandlerNotFound",
            "Handler 'handler' missing on module 'app'",
            RUNTIME_ERROR,
            id="handler",
        ),
        pytest.param(
            "print('before')\ndef start(): raise ValueError('no address')\nstart()",
            "ValueError",
            "no address",
            RUNTIME_ERROR + "\n  File …app.py\", line 2, in start\n    def start(): raise ValueError('no address')",
            id="other",
        ),
        pytest.param(
            "import os; os._exit(3)",
            "Runtime.ExitError",
            "RequestId: ID Error: Runtime exited with error: exit status 3",
            "{1}\n{0}",
            id="exit",
        ),
        pytest.param(
            "import time\ndef handler(event, context): time.sleep(30)",
            "Sandbox.Timedout",
            "RequestId: ID Error: Task timed out after 1.00 seconds",
            "TIME ID Task timed out after 1.00 seconds",
            id="timeout",
        ),
    ],
)
def test_init_errors(plain: Cloud, corrected: Cloud, code: str, error_type: str, message: str, event: str):
    """What an invocation answers and logs whose function cannot be initialised, or takes too long."""
    event = event.format(error_type, message)
    status = "timeout" if error_type == "Sandbox.Timedout" else f"error\tError Type: {error_type}"

    def failed(cloud: Cloud) -> tuple[dict[str, Any], str, list[str]]:
        """(answer, end of the log as it is returned, logged events) of a first invocation, without ids and times."""
        function = cloud.function(code, Timeout=1)
        response = cloud.aws("lambda").invoke(FunctionName=function, LogType="Tail")
        events = cloud.aws("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
        tail = base64.b64decode(response.get("LogResult", "")).decode()
        answer = json.loads(constant(response["Payload"].read().decode()))
        return answer, constant(tail), [constant(one["message"]) for one in events]

    def constant(text: str) -> str:
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text.replace("\u00a0", " "))
        return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)

    answer, tail, (start, *between, end, report) = failed(corrected)
    assert (answer["errorType"], answer["errorMessage"]) == (error_type, message)
    assert (start, end) == ("START RequestId: ID Version: $LATEST", "END RequestId: ID")
    *printed, failure = between
    assert printed == (["before"] if "print" in code else [])
    assert re.fullmatch(re.escape(event).replace("…", ".*"), failure, re.DOTALL), failure
    assert report.endswith(f" MB\tStatus: {status}")
    assert tail == "\n".join(between)

    answer, _, events = failed(plain)
    assert answer["errorMessage"] != message or answer["errorType"] != error_type
    assert failure not in events
    assert not events[-1].endswith(status)


def test_silent_handlers(monkeypatch: pytest.MonkeyPatch):
    """How long a worker whose function logs nothing is listened to, on a clock of the test's own."""
    worker = next(value for value in vars(lambda_runtime).values() if hasattr(value, "_drain_stderr_bounded"))
    drain = worker._drain_stderr_bounded
    silent = SimpleNamespace(_stderr_queue=lambda_runtime.queue.Queue())
    clock = SimpleNamespace(now=0.0)

    def listened() -> float:
        started = clock.now
        drain(silent)
        return clock.now - started

    def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(lambda_runtime, "time", SimpleNamespace(time=lambda: clock.now, sleep=sleep))
    monkeypatch.setattr(drain, "__defaults__", drain.__defaults__)  # put back afterwards
    assert listened() >= 0.05
    corrections._answer_silent_handlers_at_once()
    assert listened() < 0.01


def test_concurrency_by_parameter(plain: Cloud, corrected: Cloud):
    def most(cloud: Cloud) -> Any:
        _, queue = cloud.queue()
        mapping = {
            "FunctionName": cloud.function("def handler(event, context): pass"),
            "EventSourceArn": queue,
            "Enabled": False,
            "ScalingConfig": {"MaximumConcurrency": {"Ref": "Most"}},
        }
        resources = {"Source": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": mapping}}
        _, status = cloud.stack({"Parameters": {"Most": {"Type": "Number"}}, "Resources": resources}, Most="3")
        assert status == "CREATE_COMPLETE"
        # The response on the wire: the SDK converts it to a number.
        api, sent = cloud.aws("lambda"), []
        event = "before-parse.lambda.ListEventSourceMappings"
        api.meta.events.register(event, lambda response_dict, **_: sent.append(json.loads(response_dict["body"])))
        api.list_event_source_mappings(FunctionName=mapping["FunctionName"])
        return sent[0]["EventSourceMappings"][0]["ScalingConfig"]["MaximumConcurrency"]

    assert most(plain) == "3"
    assert most(corrected) == 3


def test_firehose_deliveries(plain: Cloud, corrected: Cloud):
    code = (
        "def handler(event, context):\n"
        "    def processed(r): return r | {'result': 'ProcessingFailed' if r['data'] == 'Ymxh' else 'Ok'}\n"
        "    return {'records': [processed(record) for record in event['records']]}"
    )

    def delivered_objects(cloud: Cloud, *folders: str) -> tuple[dict[str, list[bytes]], str]:
        """(objects by folder once the good records and ``folders`` are there, the answer to a batch that is too large)"""
        s3, firehose, name = cloud.aws("s3"), cloud.aws("firehose"), unique("stream")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        to = {"BucketARN": f"arn:aws:s3:::{name}", "RoleARN": cloud.role("firehose"), "CompressionFormat": "GZIP"}
        processor_parameters = [{"ParameterName": "LambdaArn", "ParameterValue": cloud.function(code)}]
        firehose.create_delivery_stream(
            DeliveryStreamName=name,
            ExtendedS3DestinationConfiguration=to
            | {
                "Prefix": "good/",
                "ErrorOutputPrefix": "bad/",
                "ProcessingConfiguration": {
                    "Enabled": True,
                    "Processors": [{"Type": "Lambda", "Parameters": processor_parameters}],
                },
                "S3BackupMode": "Enabled",
                "S3BackupConfiguration": to | {"Prefix": "source/"},
            },
        )
        records = [{"Data": data} for data in (b"one\n", b"bla", b"two\n")]
        firehose.put_record_batch(DeliveryStreamName=name, Records=records)

        def objects() -> dict[str, list[bytes]]:
            by_folder: dict[str, list[bytes]] = {}
            for each in s3.list_objects_v2(Bucket=name).get("Contents", []):
                content = s3.get_object(Bucket=name, Key=each["Key"])["Body"].read()
                plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
                by_folder.setdefault(each["Key"].partition("/")[0], []).append(plain)
            # Objects of the plain one have names of chance, and so no order.
            complete = b"".join(sorted(by_folder.get("good", []))) == b"one\ntwo\n" and by_folder.keys() >= set(folders)
            return by_folder if complete else {}

        large = [{"Data": b"x" * 1_000_000}] * 5
        return eventually(objects), error_code(firehose.put_record_batch, DeliveryStreamName=name, Records=large)

    objects, refusal = delivered_objects(plain)
    assert sorted(objects) == ["good"]
    assert len(objects["good"]) == 2
    assert refusal == ""
    # A delivery writes one object after the other.
    objects, refusal = delivered_objects(corrected, "source", "bad")
    assert objects["good"] == [b"one\ntwo\n"]
    assert objects["source"] == [b"one\nblatwo\n"]
    assert [json.loads(content)["rawData"] for content in objects["bad"]] == ["Ymxh"]
    assert refusal == "InvalidArgumentException"


def load_balancer(cloud: Cloud) -> str:
    """The path of a new one, with a function behind it that answers with the query as it was handed to it."""
    ec2, elb = cloud.aws("ec2"), cloud.aws("elbv2")
    code = (
        "import json\ndef handler(event, context):\n"
        "    return {'statusCode': 200, 'body': json.dumps(event['multiValueQueryStringParameters'])}"
    )
    function, name = cloud.function(code), unique("lb")
    arn = cloud.aws("lambda").get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    zones = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate("ab")
    ]
    group = {
        "Type": "AWS::ElasticLoadBalancingV2::TargetGroup",
        "Properties": {
            "TargetType": "lambda",
            "Targets": [{"Id": arn}],
            "TargetGroupAttributes": [{"Key": "lambda.multi_value_headers.enabled", "Value": "true"}],
        },
    }
    stack, status = cloud.stack({"Resources": {"Group": group}})
    assert status == "CREATE_COMPLETE"
    [deployed] = cloud.aws("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    balancer = elb.create_load_balancer(Name=name[:32], Subnets=zones)["LoadBalancers"][0]["LoadBalancerArn"]
    forward = {"Type": "forward", "TargetGroupArn": deployed["PhysicalResourceId"]}
    elb.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[forward])
    return f"/_alb/{name[:32]}"


def through(cloud: Cloud, path: str) -> httpx.Response:
    """The response of a load balancer."""
    return emulator_client.request("GET", path, endpoint=cloud.endpoint, secret=cloud.secret)


def test_declared_targets(plain: Cloud, corrected: Cloud):
    assert through(plain, load_balancer(plain) + "/").status_code == 503
    assert through(corrected, load_balancer(corrected) + "/").status_code == 200


def test_raw_queries(corrected: Cloud):
    """The plain one answers nothing at all (declared-targets): what its code does is looked at."""
    answer = through(corrected, load_balancer(corrected) + "/?a=%2541&a=b%20c&d")
    assert answer.json() == {"a": ["%2541", "b%20c"], "d": [""]}
    assert (
        "raw_query_string"
        not in inspect.getsource(alb._invoke_lambda_target).partition("multiValueQueryString")[2][:120]
    )


def counted(correction: str, code: str) -> tuple[int, int]:
    """What ``code`` prints, within the plain emulator's modules and within the corrected ones: work is counted, not timed."""
    apply = (
        "from local.emulator.corrections import CORRECTIONS; "
        f"next(c for c in CORRECTIONS if c.name == '{correction}').apply()"
    )

    def printed(source: str) -> int:
        command = [sys.executable, "-c", source]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split()[-1])

    return printed(code), printed(f"{apply}\n{code}")


@pytest.mark.parametrize(("may", "status"), [("", 403), ("s3:ListBucket", 404)])
def test_cdn_missing_files(may: str, status: int):
    actions = {"s3:GetObject": "arn:aws:s3:::files/*"} | ({may: "arn:aws:s3:::files"} if may else {})
    cdn = {"Effect": "Allow", "Principal": {"Service": "cloudfront.amazonaws.com"}}
    statements = [cdn | {"Action": action, "Resource": resource} for action, resource in actions.items()]
    code = f"""
from ministack.services import s3
s3._create_bucket("files", b"", {{}})
s3._bucket_policies["files"] = {json.dumps({"Version": "2012-10-17", "Statement": statements})!r}
print(s3.serve_cloudfront_origin_fetch("files", "missing", "GET", {{}}, "arn:aws:cloudfront::1:distribution/D")[0])
"""
    assert counted("cdn-missing-files", code) == (403, status)


def test_deep_queues():
    """How many messages a receive takes from the list until it has one."""
    plain, corrected = counted(
        "deep-queues",
        """
from ministack.services import sqs
class Counted(list):
    taken = 0
    def __iter__(self):
        for message in super().__iter__():
            Counted.taken += 1
            yield message
message = {"body": "", "visible_at": 0, "receive_count": 0, "receipt_handle": None, "sent_at": 0}
messages = Counted(dict(message) for _ in range(1000))
[received] = sqs._collect_msgs({"messages": messages, "is_fifo": False, "attributes": {}}, 1, 30)
print(Counted.taken)
""",
    )
    assert plain >= 1000
    assert corrected == 1


def test_target_group_names(plain: Cloud, corrected: Cloud):
    group = {"Type": "AWS::ElasticLoadBalancingV2::TargetGroup", "Properties": {"TargetType": "lambda"}}
    name = {"Value": {"Fn::GetAtt": ["Group", "TargetGroupFullName"]}}

    def full_name(cloud: Cloud) -> str:
        stack, _ = cloud.stack({"Resources": {"Group": group}, "Outputs": {"Name": name}})
        (described,) = cloud.aws("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        return described["Outputs"][0]["OutputValue"]

    assert not full_name(plain).startswith("targetgroup/")
    assert full_name(corrected).startswith("targetgroup/")


def test_private_origins():
    """True if a VPC origin is reached over HTTP, whatever the viewer's protocol."""
    assert counted(
        "private-origins",
        """
from xml.etree.ElementTree import fromstring
from ministack.services import cloudfront
origin = "<Origin><Id>o</Id><DomainName>d</DomainName><VpcOriginConfig><VpcOriginId>v</VpcOriginId></VpcOriginConfig></Origin>"
print(int(cloudfront._dataplane_origin(fromstring(origin))["protocol_policy"] == "http-only"))
""",
    ) == (0, 1)


def test_ipv6_networks():
    """Whether a network says the block of its subnets."""
    assert counted(
        "ipv6-networks",
        """
from ministack.services.cloudformation import provisioners
_, said = provisioners._RESOURCE_HANDLERS["AWS::EC2::VPC"]["create"]("Vpc", {"CidrBlock": "10.0.0.0/16"}, "stack")
print(int("Ipv6CidrBlocks" in said))
""",
    ) == (0, 1)


def test_container_secrets():
    """How many of a container's secrets can be found."""
    assert counted(
        "container-secrets",
        """
from ministack.services.cloudformation import provisioners
(made,) = provisioners._normalize_container_defs([{"Name": "c", "Secrets": [{"Name": "A", "ValueFrom": "/a"}]}])
print(sum(secret.get("valueFrom") == "/a" for secret in made["secrets"]))
""",
    ) == (0, 1)


def test_long_partitions():
    """How often a query evaluates its condition that finds three items of a thousand."""
    plain, corrected = counted(
        "long-partitions",
        """
import json
from ministack.services import dynamodb
keys = [{"AttributeName": name, "KeyType": kind} for name, kind in (("p", "HASH"), ("s", "RANGE"))]
attributes = [{"AttributeName": name, "AttributeType": "S"} for name in "ps"]
table = {"TableName": "table", "KeySchema": keys, "AttributeDefinitions": attributes, "BillingMode": "PAY_PER_REQUEST"}
assert dynamodb._create_table(table)[0] == 200
for number in range(1000):
    item = {"p": {"S": "p"}, "s": {"S": f"{number // 3:04}-{number}"}}
    assert dynamodb._put_item({"TableName": "table", "Item": item})[0] == 200
evaluate, calls = dynamodb._evaluate_condition, []
dynamodb._evaluate_condition = lambda *args, **kwargs: calls.append(1) or evaluate(*args, **kwargs)
query = {"TableName": "table", "KeyConditionExpression": "p = :p AND begins_with(s, :s)"}
query |= {"ExpressionAttributeValues": {":p": {"S": "p"}, ":s": {"S": "0200-"}}}
items = json.loads(dynamodb._query(query)[2])["Items"]
assert [item["s"]["S"] for item in items] == ["0200-600", "0200-601", "0200-602"], items
print(len(calls))
""",
    )
    assert plain >= 1000
    assert corrected <= 10


def test_sqs_batches(plain: Cloud, corrected: Cloud):
    def refused(cloud: Cloud) -> str:
        url, arn = cloud.queue()
        sqs = cloud.aws("sqs", cloud.session(allow("sqs:SendMessage", arn)))
        assert error_code(sqs.send_message, QueueUrl=url, MessageBody="one") == ""
        return error_code(sqs.send_message_batch, QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "two"}])

    assert refused(plain) == "AccessDenied"
    assert refused(corrected) == ""


def test_sns_batches(plain: Cloud, corrected: Cloud):
    def refused(cloud: Cloud) -> str:
        topic = cloud.aws("sns").create_topic(Name=unique("topic"))["TopicArn"]
        sns = cloud.aws("sns", cloud.session(allow("sns:Publish", topic)))
        assert error_code(sns.publish, TopicArn=topic, Message="one") == ""
        return error_code(sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=[{"Id": "1", "Message": "two"}])

    assert refused(plain) == "AuthorizationError"
    assert refused(corrected) == ""


def test_lambda_actions(plain: Cloud, corrected: Cloud):
    def refused(cloud: Cloud) -> tuple[str, ...]:
        """Error codes of reading an alias, of reading mappings of the function and of another one, and of changing one."""
        (_, queue), api = cloud.queue(), cloud.aws("lambda")
        role = cloud.role("lambda", allow("sqs:*"))
        function = cloud.function("def handler(event, context): pass", Role=role)
        arn = api.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
        api.create_alias(FunctionName=function, Name="live", FunctionVersion="$LATEST")
        mapping = api.create_event_source_mapping(EventSourceArn=queue, FunctionName=function)["UUID"]

        def session(action: str, resource: str = "*", **condition: Any) -> Any:
            return cloud.aws("lambda", cloud.session(allow(action, resource, **condition)))

        read = "lambda:GetEventSourceMapping"
        mine, others = (session(read, ArnLike={"lambda:FunctionArn": each}) for each in (arn, f"{arn}-other"))
        return (
            error_code(session("lambda:GetAlias", arn).get_alias, FunctionName=function, Name="live"),
            error_code(mine.get_event_source_mapping, UUID=mapping),
            error_code(others.get_event_source_mapping, UUID=mapping),
            error_code(mine.update_event_source_mapping, UUID=mapping, BatchSize=1),
            error_code(
                session("lambda:UpdateEventSourceMapping").update_event_source_mapping, UUID=mapping, BatchSize=1
            ),
        )

    denied = "AccessDeniedException"
    assert refused(plain)[:2] == (denied, denied)
    assert refused(corrected) == ("", "", denied, denied, "")


def test_rule_targets(plain: Cloud, corrected: Cloud):
    def refused(cloud: Cloud) -> tuple[str, str]:
        """Error codes for the permitted rule and for another rule."""
        bus, rule, (_, queue), events = unique("bus"), unique("rule"), cloud.queue(), cloud.aws("events")
        events.create_event_bus(Name=bus)
        arn = events.put_rule(Name=rule, EventBusName=bus, EventPattern='{"source": ["probe"]}')["RuleArn"]
        targets = [{"Id": "one", "Arn": queue}]

        def refused_with(allowed_rule: str) -> str:
            caller = cloud.aws("events", cloud.session(allow("events:PutTargets", allowed_rule)))
            return error_code(caller.put_targets, Rule=rule, EventBusName=bus, Targets=targets)

        return refused_with(arn), refused_with(f"{arn}-another")

    denied = "AccessDeniedException"
    assert refused(plain) == (denied, denied)
    assert refused(corrected) == ("", denied)


def test_event_source(plain: Cloud, corrected: Cloud):
    def refused(cloud: Cloud, source: str) -> str:
        bus = f"arn:aws:events:{REGION}:{ACCOUNT_ID}:event-bus/default"
        session = cloud.session(allow("events:PutEvents", bus, StringEquals={"events:source": "service-mine"}))
        entry = {"Source": source, "DetailType": "probe", "Detail": "{}"}
        return error_code(cloud.aws("events", session).put_events, Entries=[entry])

    assert refused(plain, "service-mine") == "AccessDeniedException"
    assert refused(corrected, "service-mine") == ""
    assert refused(corrected, "service-anothers") == "AccessDeniedException"


def test_events_in_logs(plain: Cloud, corrected: Cloud):
    def sent(cloud: Cloud, suffix: str = "") -> tuple[Any, str]:
        """Asks for the events in the log of a rule that took one, which a queue of the same rule has got."""
        name, logs = unique("log"), cloud.aws("logs")
        logs.create_log_group(logGroupName=name)
        url, arn = cloud.queue()
        rule(cloud, {"Arn": f"arn:aws:logs:{REGION}:{ACCOUNT_ID}:log-group:{name}{suffix}"}, {"Arn": arn})
        eventually(lambda: cloud.received(url))
        return logs, name

    logs, name = sent(plain)
    assert logs.filter_log_events(logGroupName=name)["events"] == []
    logs, name = sent(corrected)
    [event] = eventually(lambda: logs.filter_log_events(logGroupName=name)["events"])
    assert json.loads(event["message"])["detail-type"] == "probe"
    logs, name = sent(corrected, ":*")
    assert logs.filter_log_events(logGroupName=name)["events"] == []


def test_rule_retries(plain: Cloud, corrected: Cloud):
    """Without the correction a failure reaches no destination, and nothing is retried."""
    code = "def handler(event, context): raise ValueError"

    def failed(cloud: Cloud) -> str:
        """The failure destination's queue, after a rule invoked a function and it failed."""
        (url, arn), function = cloud.queue(), cloud.function(code)
        lam, logs, group = cloud.aws("lambda"), cloud.aws("logs"), f"/aws/lambda/{function}"
        destination = {"OnFailure": {"Destination": arn}}
        lam.put_function_event_invoke_config(
            FunctionName=function, MaximumRetryAttempts=0, DestinationConfig=destination
        )
        rule(cloud, {"Arn": lam.get_function(FunctionName=function)["Configuration"]["FunctionArn"]})
        eventually(lambda: logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"])
        eventually(lambda: "ValueError" in str(logs.filter_log_events(logGroupName=group)["events"]))
        return url

    url = failed(corrected)
    assert eventually(lambda: corrected.received(url))
    assert plain.received(failed(plain)) == []


def test_shared_code(plain: Cloud, corrected: Cloud):
    def folders(cloud: Cloud) -> tuple[set[str], set[str]]:
        """Where two processes of a function find its module, and that of its layer."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as files:
            files.writestr("python/carried.py", "")
        layer = cloud.aws("lambda").publish_layer_version(
            LayerName=unique("layer"), Content={"ZipFile": archive.getvalue()}
        )["LayerVersionArn"]
        code = "import carried\ndef handler(event, context): return [__file__, carried.__file__]"
        answers = [cloud.invoke(cloud.function(code, Layers=[layer])) for _ in range(2)]
        return {answer[0] for answer in answers}, {answer[1] for answer in answers}

    assert [len(module_paths) for module_paths in folders(plain)] == [2, 2]
    assert [len(module_paths) for module_paths in folders(corrected)] == [1, 1]


def test_payload_sizes(plain: Cloud, corrected: Cloud):
    """The error of an answer just too long and of one that is not, and of payloads just too long."""
    megabyte = 1024 * 1024

    def errors(cloud: Cloud) -> list[str]:
        function, client = (
            cloud.function("def handler(event, context): return 'x' * event['long']"),
            cloud.aws("lambda"),
        )
        answers = [client.invoke(FunctionName=function, Payload=json.dumps({"long": 6_291_554 + n})) for n in (0, 1)]
        error_codes = [
            json.loads(answer["Payload"].read())["errorType"] if "FunctionError" in answer else "" for answer in answers
        ]
        for kind, most in (("RequestResponse", 6 * megabyte), ("Event", megabyte)):
            for more in (0, 1):
                payload = json.dumps({"long": 1, "pad": ""})
                payload = payload.replace('""', f'"{"x" * (most + more - len(payload))}"')
                call = {"FunctionName": function, "InvocationType": kind, "Payload": payload}
                error_codes.append(error_code(client.invoke, **call))
        return error_codes

    assert errors(plain) == [""] * 6
    too_large = "RequestTooLargeException"
    assert errors(corrected) == ["", "Function.ResponseSizeTooLarge", "", too_large, "", too_large]


def test_cold_starts(plain: Cloud, corrected: Cloud):
    """How many processes a function gets whose start takes much longer than its invocations, called all at once."""
    code = "import os, time\ntime.sleep(1)\ndef handler(event, context): return os.getpid()"
    clients = 4 * (os.cpu_count() or 1)

    def processes(cloud: Cloud) -> int:
        return len(set(cloud.invoke_at_once(cloud.function(code, Timeout=30), clients)))

    assert processes(plain) == clients
    assert processes(corrected) < clients


def test_forked_workers(plain: Cloud, corrected: Cloud):
    """A function's process has the libraries before its own code is imported; unless its environment concerns them."""
    code = (
        "import sys; before = set(sys.modules)\n"
        "import os, random, threading\n"
        "chance = random.random()\n"
        "def handler(event, context):\n"
        "    return {'boto3': 'boto3' in before, 'pid': os.getpid(), 'chance': chance, 'threads': threading.active_count(),\n"
        "            'argv': sys.argv[0].rpartition('/')[2],\n"
        "            'cwd': os.getcwd() == os.path.dirname(__file__), 'own': 'app' in before, 'variables': sorted(os.environ)}"
    )
    forked = corrected.invoke(corrected.function(code))
    started = plain.invoke(plain.function(code))
    assert (started.pop("boto3"), forked.pop("boto3")) == (False, True)
    own = corrected.function(code, Environment={"Variables": {"PYTHONHASHSEED": "0"}})
    assert not corrected.invoke(own)["boto3"]
    assert corrected.invoke(corrected.function(code))["chance"] != forked["chance"]
    for different in ("pid", "chance"):
        assert started.pop(different) != forked.pop(different)
    assert started == forked


def test_metric_points():
    """How many points are looked at when one is put, with a thousand of last week and ten alarms."""
    plain, corrected = counted(
        "metric-points",
        """
import time
from ministack.services import cloudwatch
class Point(dict):
    looked_at = 0
    def __getitem__(self, name):
        Point.looked_at += name == "Timestamp"
        return super().__getitem__(name)
week_ago = time.time() - 7 * 24 * 3600
cloudwatch._metrics["Space", "Name", ""] = [Point(Timestamp=week_ago + n, Value=1.0, Unit="None") for n in range(1000)]
alarm = {"Namespace": "Space", "MetricName": "Name", "StateValue": "OK", "Statistic": "Sum", "Threshold": 0}
for n in range(10):
    cloudwatch._alarms[f"alarm-{n}"] = alarm | {"AlarmName": f"alarm-{n}", "ComparisonOperator": "GreaterThanThreshold"}
Point.looked_at = 0
cloudwatch._put_metric_data({}, {"Namespace": "Space", "MetricData": [{"MetricName": "Name", "Value": 1}]}, False, True)
print(Point.looked_at)
""",
    )
    assert plain >= 10 * 1000
    assert corrected < 500


def test_alarm_evaluation(plain: Cloud, corrected: Cloud):
    """Of three hours, only the last is above the threshold, in the series of one queue."""
    hours_ago = {0.5: 9.0, 1.5: 1.0, 2.5: 1.0}
    series = {"Namespace": "Probe", "MetricName": "Age", "Dimensions": [{"Name": "queue", "Value": "first"}]}
    threshold = {"Threshold": 5, "ComparisonOperator": "GreaterThanThreshold", "Statistic": "Maximum", "Period": 3600}
    alarm = series | threshold | {"EvaluationPeriods": 3, "TreatMissingData": "notBreaching"}
    looks: dict[str, dict[str, Any]] = {
        "one of three": {"DatapointsToAlarm": 1},
        "two of three": {"DatapointsToAlarm": 2},
        "another queue": {"DatapointsToAlarm": 1, "Dimensions": [{"Name": "queue", "Value": "second"}]},
        "all queues": {"DatapointsToAlarm": 1, "Dimensions": []},
        "another unit": {"DatapointsToAlarm": 1, "Unit": "Seconds"},
        "never put": {"MetricName": "Never"},
        "never put, breaching": {"MetricName": "Never", "TreatMissingData": "breaching"},
    }
    states = []
    for cloud in (plain, corrected):
        cloudwatch = cloud.aws("cloudwatch")
        data = [
            {name: series[name] for name in ("MetricName", "Dimensions")}
            | {"Value": value, "Timestamp": datetime.now(UTC) - timedelta(hours=hours)}
            for hours, value in hours_ago.items()
        ]
        cloudwatch.put_metric_data(Namespace="Probe", MetricData=data)
        for name, look in looks.items():
            cloudwatch.put_metric_alarm(AlarmName=name, **alarm | look)
        current_states = {one["AlarmName"]: one["StateValue"] for one in cloudwatch.describe_alarms()["MetricAlarms"]}
        states.append([current_states[name] for name in looks])
    assert states[0] == ["ALARM"] * 5 + ["INSUFFICIENT_DATA"] * 2
    assert states[1] == ["ALARM"] + ["OK"] * 5 + ["ALARM"]
    maths = {"AlarmName": "maths", "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold"}
    maths["Metrics"] = [{"Id": "all", "Expression": "first + second"}]
    assert error_code(plain.aws("cloudwatch").put_metric_alarm, **maths) == ""
    assert error_code(corrected.aws("cloudwatch").put_metric_alarm, **maths) == "ValidationError"


def test_service_namespaces(plain: Cloud, corrected: Cloud):
    data = {"Namespace": "AWS/Probe", "MetricData": [{"MetricName": "Put", "Value": 1}]}
    assert error_code(plain.aws("cloudwatch").put_metric_data, **data) == ""
    assert error_code(corrected.aws("cloudwatch").put_metric_data, **data) == "InvalidParameterValue"
    datum = {"MetricName": "Published", "Dimensions": [], "Unit": "Count", "Values": [1]}
    published = {"Namespace": "AWS/Probe", "MetricData": [datum]}
    assert corrected.emulator("POST", "/_setpieces/metrics", json=published).is_success
    assert "AWS/Probe" in namespaces(corrected)
    late = published | {"MetricData": [datum | {"Timestamp": "2026-01-01T00:00:00Z"}]}
    series = {"Namespace": "AWS/Probe", "MetricName": "Put", "Dimensions": {}, "Unit": "Count", "Counts": [[1, 1]]}
    for wrong in (
        {"Namespace": "AWS/Probe"},
        late,
        [{"Namespace": "AWS/Probe"}],
        [series | {"Seconds": 0}],
        "AWS/Probe",
    ):
        method = "POST" if isinstance(wrong, dict) else "PUT"
        assert corrected.emulator(method, "/_setpieces/metrics", json=wrong).status_code == 400


def test_event_entries(plain: Cloud, corrected: Cloud):
    right = {"Source": "probe", "DetailType": "PROBE", "Detail": "{}"}
    wrong = [right | {"Detail": "[]"}, right | {"Detail": "{"}, right | {"Source": ""}, {"Source": "probe"}]
    large = right | {"Detail": json.dumps({"text": "x" * 100_000})}

    def codes(cloud: Cloud) -> list[str]:
        answer = cloud.aws("events").put_events(Entries=[right, *wrong, right])
        assert answer["FailedEntryCount"] == sum("ErrorCode" in entry for entry in answer["Entries"])
        return [entry.get("ErrorCode", "") for entry in answer["Entries"]]

    assert codes(plain) == [""] * 6
    assert codes(corrected) == ["", "MalformedDetail", "MalformedDetail", "InvalidArgument", "InvalidArgument", ""]
    assert error_code(corrected.aws("events").put_events, Entries=[right] * 10 + wrong[:1]) == "ValidationException"
    for entries, expected_code in (([large] * 2, ""), ([large] * 3, "ValidationException")):
        assert error_code(plain.aws("events").put_events, Entries=entries) == ""
        assert error_code(corrected.aws("events").put_events, Entries=entries) == expected_code


def test_request_limits(plain: Cloud, corrected: Cloud):
    """Each limit is met and exceeded by one; a refused entry of a batch is no error of the request."""

    def codes(cloud: Cloud, more: int) -> list[str]:
        sqs, ssm, cloudwatch = cloud.aws("sqs"), cloud.aws("ssm"), cloud.aws("cloudwatch")
        queue = sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
        message = {"MessageBody": "x", "DelaySeconds": 900 + more}
        response = sqs.send_message_batch(
            QueueUrl=queue, Entries=[{"Id": "long"} | message, {"Id": "right", "MessageBody": "x"}]
        )
        assert "right" in [entry["Id"] for entry in response["Successful"]]
        error_codes = [failed["Code"] for failed in response.get("Failed", [])] or [""]
        error_codes.append(error_code(sqs.send_message, QueueUrl=queue, **message))
        visible = {"QueueUrl": queue, "VisibilityTimeout": 43_200 + more}
        error_codes.append(error_code(sqs.receive_message, **visible))
        sqs.send_message(QueueUrl=queue, MessageBody="y")
        handle = sqs.receive_message(QueueUrl=queue)["Messages"][0]["ReceiptHandle"]
        error_codes.append(error_code(sqs.change_message_visibility, ReceiptHandle=handle, **visible))
        sqs.send_message(QueueUrl=queue, MessageBody="z")
        error_codes.append(error_code(sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=20 + more))
        for tier, most in (("Standard", 4096), ("Advanced", 8192)):
            parameter = {"Name": unique("parameter"), "Type": "String", "Tier": tier, "Value": "x" * (most + more)}
            error_codes.append(error_code(ssm.put_parameter, **parameter))
        metric = {"MetricName": "Probe"}
        dimensions = [{"Name": f"n{number}", "Value": "x"} for number in range(30 + more)]
        for metrics in (
            [metric | {"Value": 1}] * (1000 + more),
            [metric | {"Value": 1, "Dimensions": dimensions}],
            [metric | {"Values": [1] * (150 + more)}],
        ):
            error_codes.append(error_code(cloudwatch.put_metric_data, Namespace="Probe", MetricData=metrics))
        return error_codes

    assert codes(plain, 0) == codes(plain, 1) == codes(corrected, 0) == [""] * 10
    value = "InvalidParameterValue"
    assert codes(corrected, 1) == [value] * 5 + ["ValidationException"] * 2 + [value] * 3


def test_schedule_ticks():
    """Seconds between looks at the schedules, of rules and of the scheduler together."""
    assert counted(
        "schedule-ticks",
        """
from ministack.services import eventbridge, scheduler
print(eventbridge._SCHEDULER_TICK_INTERVAL + scheduler._SCHEDULE_TICK_INTERVAL)
""",
    ) == (20, 2)


def test_mail_sender(plain: Cloud, corrected: Cloud):
    def refused(cloud: Cloud, sender: str) -> str:
        identities = f"arn:aws:ses:{REGION}:{ACCOUNT_ID}:identity/*"
        session = cloud.session(allow("ses:SendEmail", identities, StringEquals={"ses:FromAddress": "a@example.com"}))
        mail = {"Simple": {"Subject": {"Data": "probe"}, "Body": {"Text": {"Data": "probe"}}}}
        to = {"ToAddresses": ["b@example.com"]}
        return error_code(cloud.aws("sesv2", session).send_email, FromEmailAddress=sender, Destination=to, Content=mail)

    assert refused(plain, "a@example.com") == "AccessDeniedException"
    # Allowed, and then not verified.
    assert refused(corrected, "a@example.com") == "MessageRejected"
    assert refused(corrected, "c@example.com") == "AccessDeniedException"


def test_missing_objects(plain: Cloud, corrected: Cloud):
    """What a read of a key that is not there says: to a role that may read only, one that may also list, and to the holder of
    a link that the first has signed."""

    def answers(cloud: Cloud) -> list[Any]:
        bucket, s3 = unique("bucket").lower(), cloud.aws("s3")
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=bucket, Key="there", Body=b"")
        read = allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")
        everything = allow("s3:ListBucket", f"arn:aws:s3:::{bucket}")
        of_a_prefix = allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", StringLike={"s3:prefix": "miss*"})
        put = allow("s3:PutObject", f"arn:aws:s3:::{bucket}/*")
        reader, lister, by_prefix, copier = (
            cloud.aws("s3", cloud.session(read, *more)) for more in ([], [everything], [of_a_prefix], [put])
        )
        assert error_code(reader.get_object, Bucket=bucket, Key="there") == ""
        link = reader.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "missing"})
        source = {"Bucket": bucket, "Key": "missing"}
        return [
            *(error_code(caller.get_object, Bucket=bucket, Key="missing") for caller in (reader, lister, by_prefix)),
            *(error_code(caller.head_object, Bucket=bucket, Key="missing") for caller in (reader, lister)),
            error_code(copier.copy_object, Bucket=bucket, Key="copy", CopySource=source),
            httpx.get(link).status_code,
        ]

    assert answers(plain) == ["NoSuchKey", "NoSuchKey", "NoSuchKey", "404", "404", "NoSuchKey", 404]
    assert answers(corrected) == ["AccessDenied", "NoSuchKey", "AccessDenied", "403", "404", "AccessDenied", 403]


def test_secure_transport(plain: Cloud, corrected: Cloud):
    def refused(cloud: Cloud) -> str:
        name = unique("bucket").lower()
        s3 = cloud.aws("s3")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        insecure = {"Bool": {"aws:SecureTransport": "false"}}
        deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{name}/*"}
        policy = {"Version": "2012-10-17", "Statement": [deny | {"Condition": insecure}]}
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
        session = cloud.session(allow("s3:PutObject", f"arn:aws:s3:::{name}/*"))
        return error_code(cloud.aws("s3", session).put_object, Bucket=name, Key="probe", Body=b"")

    assert refused(plain) == "AccessDenied"
    assert refused(corrected) == ""


def test_principal_arn(plain: Cloud, corrected: Cloud):
    def refused(cloud: Cloud) -> str:
        name = unique("bucket").lower()
        s3 = cloud.aws("s3")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        role = cloud.role("lambda")
        put = {
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{name}/*",
        }
        condition = {"ArnEquals": {"aws:PrincipalArn": role}}
        policy = {"Version": "2012-10-17", "Statement": [put | {"Condition": condition}]}
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
        keys = cloud.aws("sts").assume_role(RoleArn=role, RoleSessionName="probe")["Credentials"]
        session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION)
        return error_code(cloud.aws("s3", session).put_object, Bucket=name, Key="probe", Body=b"")

    assert refused(plain) == "AccessDenied"
    assert refused(corrected) == ""


def test_clean_interpreter(plain: Cloud, corrected: Cloud):
    code = "import boto3, ministack\ndef handler(event, context): return 'found'"
    assert plain.invoke(plain.function(code)) == "found"
    assert "No module named 'ministack'" in json.dumps(corrected.invoke(corrected.function(code)))


# --- what the emulator does not enforce; tests/templates check it from the templates ---


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
    made = plain.aws("cloudformation").describe_stack_resource(StackName=name, LogicalResourceId="Role")
    role = plain.aws("iam").get_role(RoleName=made["StackResourceDetail"]["PhysicalResourceId"])["Role"]
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
    rule(plain, {"Arn": arn})
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
    plain.aws("sqs").send_message(QueueUrl=url, MessageBody="for somebody who may not receive")
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


def test_root_signatures(plain: Cloud, corrected: Cloud):
    """Plain, every key that looks like root's is root's, whatever the secret; corrected, one with its secret is."""
    for key in ("test", ROOT_ACCESS_KEY_ID, "123456789012"):
        forged = boto3.Session(key, "not the secret", region_name=REGION)
        assert plain.aws("dynamodb", forged).list_tables()["TableNames"] == []
        code = "InvalidSignatureException" if key == ROOT_ACCESS_KEY_ID else "UnrecognizedClientException"
        with pytest.raises(ClientError, match=code):
            corrected.aws("dynamodb", forged).list_tables()
    assert httpx.get(f"{plain.endpoint}/").is_success
    assert corrected.aws("sts").get_caller_identity()["Arn"].endswith(":root")
    forged = boto3.Session(ROOT_ACCESS_KEY_ID, "not the secret", region_name=REGION)
    request = AWSRequest("GET", "http://shop/basket/v1", headers={"Host": "shop"})
    SigV4Auth(present(forged.get_credentials()), "execute-api", REGION).add_auth(request)
    question = {"method": "GET", "raw_path": "/basket/v1", "query": [], "headers": [*request.headers.items()]}
    question |= {"body_base64": "", "action": "execute-api:Invoke", "resource": "*"}
    answer = corrected.emulator("POST", "/_setpieces/authorize", json=question).json()
    assert answer["code"] == "SignatureDoesNotMatch"


def test_function_keys(plain: Cloud, corrected: Cloud):
    """Plain, a function's secret can be computed from its name and role; corrected, it cannot."""
    for cloud, computed in ((plain, True), (corrected, False)):
        function = cloud.function("import os\ndef handler(event, context): return os.environ['AWS_SECRET_ACCESS_KEY']")
        deployed = cloud.aws("lambda").get_function_configuration(FunctionName=function)
        digest = hashlib.sha256(f"{deployed['FunctionArn']}:{deployed['Role']}".encode()).hexdigest()
        assert (cloud.invoke(function) == hashlib.sha256(f"secret:{digest}".encode()).hexdigest()) is computed


# --- deployment ---


def test_missing_code(plain: Cloud):
    code = {"S3Bucket": unique("nowhere"), "S3Key": "code.zip"}
    properties = {"Runtime": "python3.13", "Handler": "app.handler", "Role": plain.role("lambda"), "Code": code}
    template = {"Resources": {"Function": {"Type": "AWS::Lambda::Function", "Properties": properties}}}
    assert plain.stack(template)[1] == "CREATE_COMPLETE"


# --- APIs ---


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


# --- functions ---


def test_python_version(plain: Cloud):
    """The host's, whatever the runtime."""
    code = "import sys\ndef handler(event, context): return sys.version"
    versions = {plain.invoke(plain.function(code, Runtime=runtime)) for runtime in ("python3.12", "python3.13")}
    assert len(versions) == 1


def test_memory(plain: Cloud):
    function = plain.function("def handler(event, context): return len(b'x' * (200 * 2**20))", MemorySize=128)
    assert plain.invoke(function) == 200 * 2**20


def test_temporary_files(plain: Cloud):
    """One function's file is there for another."""
    name = unique("left")
    path = f"/tmp/{name}"
    writes = plain.function(f"def handler(event, context): return open({path!r}, 'w').write('x')")
    reads = plain.function(f"import os\ndef handler(event, context): os.remove({path!r}); return 'there'")
    plain.invoke(writes)
    assert plain.invoke(reads) == "there"


def test_after_an_exception(plain: Cloud, corrected: Cloud):
    """How often the process was called that serves the call after an exception."""
    code = (
        "calls = []\ndef handler(event, context):\n  calls.append(1)\n  if event: raise ValueError\n  return len(calls)"
    )

    def calls(cloud: Cloud) -> list[int]:
        function = cloud.function(code)
        before = [cloud.invoke(function), cloud.invoke(function)]
        assert cloud.aws("lambda").invoke(FunctionName=function, Payload=b'{"fail": true}')["FunctionError"]
        return [*before, cloud.invoke(function)]

    assert (calls(plain), calls(corrected)) == ([1, 2, 1], [1, 2, 4])


def test_environment(plain: Cloud):
    code = "import os\ndef handler(event, context): return os.environ.get('GATEWAY_PORT')"
    assert plain.invoke(plain.function(code)) == plain.endpoint.rsplit(":", 1)[-1]


# --- delivery ---


def test_dead_letters_of_targets(plain: Cloud):
    """The good target comes after the bad one: once it has the event, the bad one had its chance."""
    url, arn = plain.queue()
    dead_url, dead = plain.queue()
    rule(plain, {"Arn": f"{arn}-that-is-not-there", "DeadLetterConfig": {"Arn": dead}}, {"Arn": arn})
    assert eventually(lambda: plain.received(url))
    assert plain.received(dead_url) == []


def test_dead_letters_of_subscriptions(plain: Cloud):
    """As above: the good subscription is the later one."""
    sns = plain.aws("sns")
    url, arn = plain.queue()
    dead_url, dead = plain.queue()
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everybody]})
    plain.aws("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"{arn}-that-is-not-there", Attributes=redrive)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="for one of two")
    assert eventually(lambda: plain.received(url))
    assert plain.received(dead_url) == []


def test_message_groups(plain: Cloud, tmp_path: Path):
    """The first of two groups waits for the second, and times out: one batch at a time."""
    code = f"""
import pathlib, time
def handler(event, context):
    here, (group,) = pathlib.Path({str(tmp_path)!r}), {{r["attributes"]["MessageGroupId"] for r in event["Records"]}}
    (here / group).touch()
    for _ in range(20):
        if len([*here.glob("group-*")]) == 2:
            break
        time.sleep(0.1)
    else:
        (here / "alone").touch()
"""
    function = plain.function(code, Timeout=5)
    sqs = plain.aws("sqs")
    url = sqs.create_queue(QueueName=unique("q") + ".fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    for group in ("group-a", "group-b"):
        sqs.send_message(QueueUrl=url, MessageBody=group, MessageGroupId=group, MessageDeduplicationId=group)
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{url.rsplit('/', 1)[-1]}"
    plain.aws("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName=function, BatchSize=1)
    assert eventually((tmp_path / "alone").exists)


def test_redrive(plain: Cloud):
    _, dead = plain.queue()
    plain.queue(RedrivePolicy=json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 1}))
    assert error_code(plain.aws("sqs").start_message_move_task, SourceArn=dead) == "InvalidAction"


# --- observability ---


def test_embedded_metrics(plain: Cloud):
    plain.aws("cloudwatch").put_metric_data(Namespace="Sent", MetricData=[{"MetricName": "Probe", "Value": 1}])
    metric = {"Namespace": "Logged", "Dimensions": [[]], "Metrics": [{"Name": "Probe"}]}
    line = json.dumps({"_aws": {"Timestamp": 1, "CloudWatchMetrics": [metric]}, "Probe": 1})
    function = plain.function(f"def handler(event, context): print({line!r})")
    plain.invoke(function)
    eventually(lambda: plain.aws("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"])
    assert {"Sent"} <= namespaces(plain)
    assert "Logged" not in namespaces(plain)


def test_queue_metrics(plain: Cloud):
    url, _ = plain.queue()
    plain.aws("sqs").send_message(QueueUrl=url, MessageBody="counted on AWS")
    assert "AWS/SQS" not in namespaces(plain)


def test_traces(plain: Cloud):
    now = datetime.now(UTC)
    ask = plain.aws("xray").get_trace_summaries
    assert error_code(ask, StartTime=now - timedelta(minutes=1), EndTime=now) != ""


def namespaces(cloud: Cloud) -> set[str]:
    return {metric["Namespace"] for metric in cloud.aws("cloudwatch").list_metrics()["Metrics"]}


def rule(cloud: Cloud, *targets: dict[str, Any]) -> None:
    """Send an event through a new rule to these targets."""
    bus, source = cloud.aws("events"), unique("source")
    bus.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    bus.put_targets(Rule=source, Targets=[{"Id": str(number), **target} for number, target in enumerate(targets)])
    bus.put_events(Entries=[{"Source": source, "DetailType": "probe", "Detail": "{}"}])
