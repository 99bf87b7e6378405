"""A service cannot publish as another: a role can put events only with its own source."""

import json
from collections.abc import Iterator

import boto3
import pytest
from botocore.exceptions import ClientError

from model.settings import REGION
from tools.client import Shop, eventually, unique


@pytest.fixture
def payments_bus(shop: Shop) -> Iterator[object]:
    """A bus client with only the permissions of the payments role's statement."""
    iam, name = shop.aws("iam"), unique("payments-like")
    statement = {
        "Effect": "Allow",
        "Action": "events:PutEvents",
        "Resource": shop.address("event-bus", "bus-arn"),
        "Condition": {"StringEquals": {"events:source": f"service-payment-{shop.stage}"}},
    }
    iam.create_user(UserName=name)
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_user_policy(UserName=name, PolicyName="bus", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    try:
        session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
        yield session.client("events", endpoint_url=shop.endpoint)
    finally:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName=name, PolicyName="bus")
        iam.delete_user(UserName=name)


def put_events_succeeds(shop: Shop, bus, *services: str) -> bool:
    """True if the bus accepts events with these services as sources. No rule matches their type."""
    entries = [
        {
            "EventBusName": shop.address("event-bus", "bus-name"),
            "Source": f"service-{service}-{shop.stage}",
            "DetailType": "Test",
            "Detail": "{}",
        }
        for service in services
    ]
    try:
        return bus.put_events(Entries=entries)["FailedEntryCount"] == 0
    except ClientError as error:
        if error.response["Error"]["Code"] == "AccessDeniedException":
            return False
        raise


def test_a_role_can_put_events_only_with_its_own_source(shop: Shop, payments_bus):
    eventually(lambda: put_events_succeeds(shop, payments_bus, "payment"))
    assert not put_events_succeeds(shop, payments_bus, "order")
    assert not put_events_succeeds(shop, payments_bus, "payments")
    assert not put_events_succeeds(shop, payments_bus, "order", "order")
