"""The local cloud's corrections at work, beside the emulator as it comes: what each test shows of ``plain`` is why its
correction is there. A test that fails on ``plain`` says that a newer emulator needs the correction no longer.

``make parity`` finds the test of a correction by its name: ``test_nested_sam`` for ``nested-sam``.
"""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from ministack.core import lambda_runtime

from local import corrections
from local.settings import ACCOUNT_ID, REGION
from local.shop import eventually, unique
from tests.integration.two_emulators import CORRECTED, PLAIN, Cloud, allow, running

QUEUE = {"Type": "AWS::SQS::Queue"}


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


def test_nested_sam(plain: Cloud, corrected: Cloud):
    table = {
        "Resources": {"Table": {"Type": "AWS::Serverless::SimpleTable"}},
        "Transform": "AWS::Serverless-2016-10-31",
    }
    assert plain.stack(plain.nested(table))[1] == "ROLLBACK_COMPLETE"
    assert corrected.stack(corrected.nested(table))[1] == "CREATE_COMPLETE"


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


@pytest.mark.parametrize("kind", corrections.LEFT_OUT)
def test_unknown_types(plain: Cloud, corrected: Cloud, kind: str):
    template = {"Resources": {"Unknown": {"Type": kind}}}
    assert plain.stack(template)[1] == "REFUSED"
    assert corrected.stack(template)[1] == "CREATE_COMPLETE"


def test_error_type(plain: Cloud, corrected: Cloud):
    code = "class Busy(Exception): pass\ndef handler(event, context): raise Busy"
    assert plain.invoke(plain.function(code))["errorType"] == "Runtime.HandlerError"
    assert corrected.invoke(corrected.function(code))["errorType"] == "Busy"


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


def test_reserved_concurrency(plain: Cloud, corrected: Cloud):
    def reserved(cloud: Cloud) -> int | None:
        name = unique("reserved")
        properties = {
            "FunctionName": name,
            "Runtime": "python3.13",
            "Handler": "index.handler",
            "Role": cloud.role("lambda"),
            "Code": {"ZipFile": "def handler(event, context): pass"},
            "ReservedConcurrentExecutions": 3,
        }
        cloud.stack({"Resources": {"Function": {"Type": "AWS::Lambda::Function", "Properties": properties}}})
        return cloud.aws("lambda").get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")

    assert reserved(plain) is None
    assert reserved(corrected) == 3


def test_sqs_batches(plain: Cloud, corrected: Cloud):
    def refused(cloud: Cloud) -> str:
        url, arn = cloud.queue()
        sqs = cloud.aws("sqs", cloud.session(allow("sqs:SendMessage", arn)))
        assert error_code(sqs.send_message, QueueUrl=url, MessageBody="one") == ""
        return error_code(sqs.send_message_batch, QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "two"}])

    assert refused(plain) == "AccessDenied"
    assert refused(corrected) == ""


def test_event_source(plain: Cloud, corrected: Cloud):
    def refused(cloud: Cloud, source: str) -> str:
        bus = f"arn:aws:events:{REGION}:{ACCOUNT_ID}:event-bus/default"
        session = cloud.session(allow("events:PutEvents", bus, StringEquals={"events:source": "service-mine"}))
        entry = {"Source": source, "DetailType": "probe", "Detail": "{}"}
        return error_code(cloud.aws("events", session).put_events, Entries=[entry])

    assert refused(plain, "service-mine") == "AccessDeniedException"
    assert refused(corrected, "service-mine") == ""
    assert refused(corrected, "service-anothers") == "AccessDeniedException"


def test_clean_interpreter(plain: Cloud, corrected: Cloud):
    code = "import boto3, ministack\ndef handler(event, context): return 'found'"
    assert plain.invoke(plain.function(code)) == "found"
    assert "No module named 'ministack'" in json.dumps(corrected.invoke(corrected.function(code)))
