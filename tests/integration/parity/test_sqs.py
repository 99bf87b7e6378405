"""The patches of ``local.emulator.patches.sqs``, beside an emulator without patches."""

import json
from pathlib import Path

import pytest

from model.settings import ACCOUNT_ID, REGION
from tests.integration.two_emulators import Cloud, allow, error_code, printed_numbers
from tools.client import eventually, unique

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_deep_queues():
    """The number of messages that a receive of one message reads from the list."""
    plain, patched = printed_numbers(
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
    assert patched == 1


def test_sqs_batches(plain: Cloud, patched: Cloud):
    def denial_code(cloud: Cloud) -> str:
        url, arn = cloud.queue()
        sqs = cloud.aws("sqs", cloud.session(allow("sqs:SendMessage", arn)))
        assert error_code(sqs.send_message, QueueUrl=url, MessageBody="one") == ""
        return error_code(sqs.send_message_batch, QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "two"}])

    assert denial_code(plain) == "AccessDenied"
    assert denial_code(patched) == ""


def test_message_times(plain: Cloud, patched: Cloud):
    """Each limit, and one second more; a rejected entry of a batch is no error of the request."""

    def codes(cloud: Cloud, excess: int) -> list[str]:
        sqs = cloud.aws("sqs")
        queue = sqs.create_queue(QueueName=unique("queue"))["QueueUrl"]
        message = {"MessageBody": "x", "DelaySeconds": 900 + excess}
        response = sqs.send_message_batch(
            QueueUrl=queue, Entries=[{"Id": "long"} | message, {"Id": "right", "MessageBody": "x"}]
        )
        assert "right" in [entry["Id"] for entry in response["Successful"]]
        error_codes = [failed["Code"] for failed in response.get("Failed", [])] or [""]
        error_codes.append(error_code(sqs.send_message, QueueUrl=queue, **message))
        visible = {"QueueUrl": queue, "VisibilityTimeout": 43_200 + excess}
        error_codes.append(error_code(sqs.receive_message, **visible))
        sqs.send_message(QueueUrl=queue, MessageBody="y")
        handle = sqs.receive_message(QueueUrl=queue)["Messages"][0]["ReceiptHandle"]
        error_codes.append(error_code(sqs.change_message_visibility, ReceiptHandle=handle, **visible))
        sqs.send_message(QueueUrl=queue, MessageBody="z")
        error_codes.append(error_code(sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=20 + excess))
        return error_codes

    assert codes(plain, 0) == codes(plain, 1) == codes(patched, 0) == [""] * 5
    assert codes(patched, 1) == ["InvalidParameterValue"] * 5


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
