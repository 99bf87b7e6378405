"""The patches of ``local.emulator.patches.sns``, beside an emulator without patches."""

import json

import pytest

from tests.integration.two_emulators import Cloud, allow, error_code
from tools.client import eventually, unique

pytestmark = pytest.mark.local_only("it starts emulators of its own")


def test_sns_batches(plain: Cloud, patched: Cloud):
    def denial_code(cloud: Cloud) -> str:
        topic = cloud.aws("sns").create_topic(Name=unique("topic"))["TopicArn"]
        sns = cloud.aws("sns", cloud.session(allow("sns:Publish", topic)))
        assert error_code(sns.publish, TopicArn=topic, Message="one") == ""
        return error_code(sns.publish_batch, TopicArn=topic, PublishBatchRequestEntries=[{"Id": "1", "Message": "two"}])

    assert denial_code(plain) == "AuthorizationError"
    assert denial_code(patched) == ""


def test_dead_letters_of_subscriptions(plain: Cloud):
    """The valid subscription follows the invalid one: once it has the message, the delivery to the invalid one has failed."""
    sns = plain.aws("sns")
    url, arn = plain.queue()
    dead_url, dead = plain.queue()
    topic = sns.create_topic(Name=unique("topic"))["TopicArn"]
    allow_all = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow_all]})
    plain.aws("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead})}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"{arn}-that-is-not-there", Attributes=redrive)
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sns.publish(TopicArn=topic, Message="for one of two")
    assert eventually(lambda: plain.received(url))
    assert plain.received(dead_url) == []
