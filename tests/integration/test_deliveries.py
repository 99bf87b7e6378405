"""Disturbed deliveries, seen by a function: it receives each message twice, in another order, and its clock is wrong.

In a cloud of its own: the shop's deliveries are not disturbed.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.two_emulators import PATCHED, Cloud, allow, running
from tools.client import eventually

pytestmark = pytest.mark.local_only("it has emulators of its own")

# It reports the message it received and the time.
WITNESS = """
import json, os, time
import boto3

def handler(event, context):
    for record in event["Records"]:
        seen = {"body": record["body"], "time": time.time()}
        boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(seen))
    return {"batchItemFailures": []}
"""
SENT = [f"{number:02}" for number in range(12)]
SKEW = 240


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(PATCHED, tmp_path_factory.mktemp("deliveries")) as cloud:
        yield cloud


def disturb(cloud: Cloud, method: str, **settings: Any) -> dict[str, Any]:
    return cloud.emulator(method, "/_setpieces/deliveries", json=settings).raise_for_status().json()


def collect_observations(cloud: Cloud, **attributes: str) -> list[dict[str, Any]]:
    """Collects the messages of SENT that a function received, until it has received each twice and the queue is empty."""
    queue, _ = cloud.queue()
    url, arn = cloud.queue(VisibilityTimeout="30", **attributes)
    role = cloud.role("lambda", allow("sqs:*"))
    function = cloud.function(WITNESS, Role=role, Timeout=5, Environment={"Variables": {"SEEN": queue}})
    ordered = "FifoQueue" in attributes
    for body in SENT:
        group = {"MessageGroupId": "one", "MessageDeduplicationId": body} if ordered else {}
        cloud.aws("sqs").send_message(QueueUrl=url, MessageBody=body, **group)
    cloud.aws("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName=function, BatchSize=3)
    observations: list[dict[str, Any]] = []

    def complete() -> bool:
        for message in cloud.received(queue):
            observations.append(json.loads(message["Body"]))
            cloud.aws("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return len(observations) >= 2 * len(SENT)

    eventually(complete)
    return observations


@pytest.fixture
def disturbed(cloud: Cloud) -> Iterator[Cloud]:
    disturb(cloud, "PUT", seed=3, late_seconds=1, clock_skew_seconds=SKEW)
    yield cloud
    disturb(cloud, "DELETE")


def test_a_function_receives_every_message_twice_out_of_order_with_a_wrong_clock(disturbed: Cloud):
    before = time.time()
    observations = collect_observations(disturbed)
    bodies = [observation["body"] for observation in observations]
    assert sorted(bodies) == sorted(SENT * 2)
    assert bodies != sorted(bodies)
    offsets = [observation["time"] - before for observation in observations]
    assert all(SKEW <= offset <= SKEW + 120 or -SKEW <= offset <= 120 - SKEW for offset in offsets), offsets
    assert disturb(disturbed, "GET")["done"]["doubled"] == len(SENT)


def test_a_fifo_queue_keeps_the_order_of_a_group_and_repeats_each_message(disturbed: Cloud):
    bodies = [one["body"] for one in collect_observations(disturbed, FifoQueue="true")]
    assert sorted(bodies) == sorted(SENT * 2)
    # A message may be done again, but never after a later one was begun.
    assert [body for number, body in enumerate(bodies) if body not in bodies[:number]] == SENT


def test_invalid_settings_are_refused(cloud: Cloud):
    response = cloud.emulator("PUT", "/_setpieces/deliveries", json={"twice": 3})
    assert (response.status_code, response.json()["message"]) == (
        400,
        "twice is 0 to 1, late_seconds 0 to 60, clock_skew_seconds 0 to 299",
    )
