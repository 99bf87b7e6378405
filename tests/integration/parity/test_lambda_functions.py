"""The patches of ``local.emulator.patches.lambda_functions``, beside an emulator without patches."""

import base64
import json
import re
from typing import Any

import pytest

from model.settings import ACCOUNT_ID
from tests.integration.two_emulators import Cloud, allow, error_code
from tools.client import eventually

pytestmark = pytest.mark.local_only("it starts emulators of its own")

RUNTIME_ERROR = "[ERROR] {0}: {1}\nTraceback (most recent call last):"


def test_published_versions(plain: Cloud, patched: Cloud):
    """The version of a rolled-back update remains, and the same function cannot be published again."""
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

    def status_of_unchanged_version(cloud: Cloud) -> str:
        stack, status = cloud.stack(template(First=version), Text="one")
        assert status == "CREATE_COMPLETE"
        assert (
            cloud.stack(template(Second=version, Queue=invalid_queue), stack, Text="two")[1]
            == "UPDATE_ROLLBACK_COMPLETE"
        )
        return cloud.stack(template(Second=version), stack, Text="two")[1]

    assert status_of_unchanged_version(plain) == "UPDATE_COMPLETE"
    assert status_of_unchanged_version(patched) == "UPDATE_ROLLBACK_COMPLETE"


def test_log_groups(plain: Cloud, patched: Cloud):
    """A role with a permissions boundary and one without."""
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    properties = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": trust}}
    boundary = {"PermissionsBoundary": f"arn:aws:iam::{ACCOUNT_ID}:policy/none"}
    for cloud in (plain, patched):
        for more, makes in (({}, True), (boundary, cloud is plain)):
            role = {"Type": "AWS::IAM::Role", "Properties": properties | more}
            stack, _ = cloud.stack({"Resources": {"Role": role}})
            (resource,) = cloud.aws("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
            arn = cloud.aws("iam").get_role(RoleName=resource["PhysicalResourceId"])["Role"]["Arn"]
            function = cloud.function("def handler(event, context): pass", Role=arn)
            other = cloud.function("def handler(event, context): pass")
            cloud.invoke(function)
            # A later invocation is logged later.
            cloud.invoke(other)
            assert eventually(lambda: groups(cloud, other))  # noqa: B023
            assert bool(groups(cloud, function)) is makes


def groups(cloud: Cloud, function: str) -> list[str]:
    """The log groups of a function."""
    descriptions = cloud.aws("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{function}")["logGroups"]
    return [group["logGroupName"] for group in descriptions]


def test_error_type(plain: Cloud, patched: Cloud):
    code = "class Busy(Exception): pass\ndef handler(event, context): raise Busy"
    assert plain.invoke(plain.function(code))["errorType"] == "Runtime.HandlerError"
    assert patched.invoke(patched.function(code))["errorType"] == "Busy"


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
def test_init_errors(plain: Cloud, patched: Cloud, code: str, error_type: str, message: str, event: str):
    """The response and the log of an invocation whose function cannot be initialised, or times out."""
    event = event.format(error_type, message)
    status = "timeout" if error_type == "Sandbox.Timedout" else f"error\tError Type: {error_type}"

    def first_invocation(cloud: Cloud) -> tuple[dict[str, Any], str, list[str]]:
        """(response, end of the returned log, logged events) of a first invocation, without ids and times."""
        function = cloud.function(code, Timeout=1)
        response = cloud.aws("lambda").invoke(FunctionName=function, LogType="Tail")
        events = cloud.aws("logs").filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
        tail = base64.b64decode(response.get("LogResult", "")).decode()
        payload = json.loads(constant(response["Payload"].read().decode()))
        return payload, constant(tail), [constant(one["message"]) for one in events]

    def constant(text: str) -> str:
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text.replace("\u00a0", " "))
        return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)

    payload, tail, (start, *between, end, report) = first_invocation(patched)
    assert (payload["errorType"], payload["errorMessage"]) == (error_type, message)
    assert (start, end) == ("START RequestId: ID Version: $LATEST", "END RequestId: ID")
    *printed, failure = between
    assert printed == (["before"] if "print" in code else [])
    assert re.fullmatch(re.escape(event).replace("…", ".*"), failure, re.DOTALL), failure
    assert report.endswith(f" MB\tStatus: {status}")
    assert tail == "\n".join(between)

    payload, _, events = first_invocation(plain)
    assert payload["errorMessage"] != message or payload["errorType"] != error_type
    assert failure not in events
    assert not events[-1].endswith(status)


def test_payload_sizes(plain: Cloud, patched: Cloud):
    """The errors of responses and payloads at their limit, and one byte above it."""
    megabyte = 1024 * 1024

    def errors(cloud: Cloud) -> list[str]:
        function, client = (
            cloud.function("def handler(event, context): return 'x' * event['long']"),
            cloud.aws("lambda"),
        )
        responses = [client.invoke(FunctionName=function, Payload=json.dumps({"long": 6_291_554 + n})) for n in (0, 1)]
        error_codes = [
            json.loads(response["Payload"].read())["errorType"] if "FunctionError" in response else ""
            for response in responses
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
    assert errors(patched) == ["", "Function.ResponseSizeTooLarge", "", too_large, "", too_large]


def test_concurrency_by_parameter(plain: Cloud, patched: Cloud):
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
        api, calls = cloud.aws("lambda"), []
        event = "before-parse.lambda.ListEventSourceMappings"
        api.meta.events.register(event, lambda response_dict, **_: calls.append(json.loads(response_dict["body"])))
        api.list_event_source_mappings(FunctionName=mapping["FunctionName"])
        return calls[0]["EventSourceMappings"][0]["ScalingConfig"]["MaximumConcurrency"]

    assert most(plain) == "3"
    assert most(patched) == 3


def test_lambda_actions(plain: Cloud, patched: Cloud):
    def error_codes(cloud: Cloud) -> tuple[str, ...]:
        """Error codes of reading an alias, of reading mappings of the function and of another one, and of updating one."""
        (_, queue), api = cloud.queue(), cloud.aws("lambda")
        role = cloud.role("lambda", allow("sqs:*"))
        function = cloud.function("def handler(event, context): pass", Role=role)
        arn = api.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
        api.create_alias(FunctionName=function, Name="live", FunctionVersion="$LATEST")
        mapping = api.create_event_source_mapping(EventSourceArn=queue, FunctionName=function)["UUID"]

        def session(action: str, resource: str = "*", **condition: Any) -> Any:
            return cloud.aws("lambda", cloud.session(allow(action, resource, **condition)))

        read = "lambda:GetEventSourceMapping"
        own_session, other_session = (
            session(read, ArnLike={"lambda:FunctionArn": each}) for each in (arn, f"{arn}-other")
        )
        return (
            error_code(session("lambda:GetAlias", arn).get_alias, FunctionName=function, Name="live"),
            error_code(own_session.get_event_source_mapping, UUID=mapping),
            error_code(other_session.get_event_source_mapping, UUID=mapping),
            error_code(own_session.update_event_source_mapping, UUID=mapping, BatchSize=1),
            error_code(
                session("lambda:UpdateEventSourceMapping").update_event_source_mapping, UUID=mapping, BatchSize=1
            ),
        )

    denied = "AccessDeniedException"
    assert error_codes(plain)[:2] == (denied, denied)
    assert error_codes(patched) == ("", "", denied, denied, "")
