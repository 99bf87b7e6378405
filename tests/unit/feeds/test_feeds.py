"""The API of feeds and the end of a feed, over moto."""

import importlib
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from feeds.clients import links
from feeds.repository.runs import expect
from feeds.requests import new_feed_id, upload_key
from setpieces import aws, feed_accounts
from setpieces.dynamodb_types import from_item, to_item
from tests.unit.interleave import meanwhile
from tests.unit.lost_answers import repeat

CONTEXT = SimpleNamespace(
    function_name="feeds",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:feeds",
    aws_request_id="1",
    get_remaining_time_in_millis=lambda: 5000,
)
NOW = "2026-01-01T00:00:00.000+00:00"


@pytest.fixture
def cloud(monkeypatch):
    from moto import mock_aws

    credentials = {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    names = {"FEEDS_TABLE_NAME": "feeds", "ACCOUNTS_TABLE_NAME": "accounts", "BUCKET_NAME": "store"}
    for name, value in {**credentials, **names}.items():
        monkeypatch.setenv(name, value)
    aws.client.cache_clear()
    links._signer.cache_clear()
    with mock_aws():
        text = lambda *names: [{"AttributeName": name, "AttributeType": "S"} for name in names]  # noqa: E731
        table = aws.client("dynamodb")
        table.create_table(
            TableName="feeds",
            AttributeDefinitions=text("feed", "open", "look_at"),
            KeySchema=[{"AttributeName": "feed", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "open",
                    "KeySchema": [
                        {"AttributeName": "open", "KeyType": "HASH"},
                        {"AttributeName": "look_at", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        table.create_table(
            TableName="accounts",
            AttributeDefinitions=text("part"),
            KeySchema=[{"AttributeName": "part", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        aws.client("s3").create_bucket(Bucket="store", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        topic = boto3.client("sns").create_topic(Name="alarms")["TopicArn"]
        monkeypatch.setenv("ALARM_TOPIC_ARN", topic)
        url = boto3.client("sqs").create_queue(QueueName="told")["QueueUrl"]
        boto3.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:eu-central-1:123456789012:told"
        )
        yield SimpleNamespace(table=table, s3=aws.client("s3"), told=url)
    aws.client.cache_clear()
    links._signer.cache_clear()


def call(function: str, **parameters: str) -> tuple[int, dict[str, Any], dict[str, str]]:
    event = {
        "httpMethod": "GET",
        "path": "/v1/feeds",
        "pathParameters": parameters,
        "headers": {},
        "requestContext": {"requestId": "r", "authorizer": {"principalId": "admin-1"}},
    }
    answer = importlib.import_module(f"feeds.handlers.{function}").handler(event, CONTEXT)
    return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


def store(cloud, **changes) -> None:
    feed = {
        "feed": "product/f-1",
        "feed_id": "f-1",
        "type": "product",
        "status": "UPDATING",
        "run": "r",
        "received": 1200,
        "rejected": 2,
        "rejected_reasons": {"INVALID_RECORD": 2},
        "error_keys": [],
        "stretches": {},
        "open": "1",
        "look_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    } | changes
    cloud.table.put_item(TableName="feeds", Item=to_item(feed))


def account(first: int, end: int, outcome: str) -> None:
    feed_accounts.note("r", dict.fromkeys(range(first, end), outcome), 2_000_000_000)


def conclude() -> int:
    return importlib.import_module("feeds.handlers.conclude_feeds").handler({}, CONTEXT)["concluded"]


def told(cloud) -> list[dict[str, Any]]:
    messages = boto3.client("sqs").receive_message(QueueUrl=cloud.told).get("Messages", [])
    return [json.loads(json.loads(message["Body"])["Message"]) for message in messages]


def test_a_place_for_a_feed_can_be_asked_for(cloud):
    status, body, headers = call("request_upload", type="pricing")
    assert (status, body["status"]) == (202, "AWAITING_UPLOAD")
    assert headers["Location"].endswith(body["feed_id"])
    assert "/pricing/in/" in body["upload"]["url"]
    assert "X-Amz-Expires=900" in body["upload"]["url"]
    status, shown, headers = call("show_feed", type="pricing", feed_id=body["feed_id"])
    assert (status, shown["status"], shown["errors"], headers["Retry-After"]) == (200, "AWAITING_UPLOAD", [], "2")


@pytest.mark.parametrize(
    ("function", "parameters", "code"),
    [
        ("request_upload", {"type": "prices"}, "UNKNOWN_FEED_TYPE"),
        ("show_feed", {"type": "x", "feed_id": "f-1"}, "UNKNOWN_FEED_TYPE"),
        ("show_feed", {"type": "sku", "feed_id": "f-1"}, "FEED_NOT_FOUND"),
        ("show_feed", {"type": "product", "feed_id": "%2e%2e"}, "FEED_NOT_FOUND"),
        ("show_feed", {"type": "product", "feed_id": "x" * 65}, "FEED_NOT_FOUND"),
    ],
)
def test_what_there_is_not_is_a_404(cloud, function, parameters, code):
    store(cloud)
    status, body, _ = call(function, **parameters)
    assert (status, body["code"]) == (404, code)


def test_ids_and_keys_name_type_and_day():
    moment = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    feed_id = new_feed_id("sku", moment)
    assert feed_id.startswith("sku-20260304T050607Z-")
    assert upload_key("sku", feed_id, moment) == f"sku/in/2026/03/04/{feed_id}.json"


def test_a_manifest_accounts_for_every_record(cloud):
    store(cloud, error_keys=["product/errors/f-1/r-0.ndjson.gz"])
    account(0, 1100, "updated")
    account(1000, 1150, "unchanged")
    account(1150, 1160, "stale")
    account(1160, 1165, "failed:INVALID_REQUEST")
    status, shown, _ = call("show_feed", type="product", feed_id="f-1")
    assert status == 200
    assert {name: shown[name] for name in ("received", "transformed", "rejected", "pending")} == {
        "received": 1200,
        "transformed": 1198,
        "rejected": 2,
        "pending": 33,
    }
    assert [shown[name] for name in feed_accounts.OUTCOMES] == [1100, 50, 10, 5]
    assert shown["reasons"] == {"INVALID_RECORD": 2, "INVALID_REQUEST": 5}
    assert shown["status"] == "UPDATING"
    assert "X-Amz-Signature" in shown["errors"][0]["url"]
    account(1165, 1198, "updated")
    assert call("show_feed", type="product", feed_id="f-1")[1]["status"] == "COMPLETE"


def test_the_manifest_of_a_large_feed_is_shown_without_counting_its_records(cloud, monkeypatch):
    store(cloud, received=2_000_000, rejected=0)
    account(0, 1000, "updated")
    account(1000, 1003, "failed:INVALID_REQUEST")

    def shown() -> dict[str, Any]:
        with monkeypatch.context() as patch:
            patch.setattr(feed_accounts, "read_batches", lambda *_: pytest.fail("its records are read"))
            return call("show_feed", type="product", feed_id="f-1")[1]

    assert (shown()["updated"], shown()["pending"]) == (0, 2_000_000)
    assert conclude() == 0
    assert {name: shown()[name] for name in ("updated", "failed", "pending", "status")} == {
        "updated": 1000,
        "failed": 3,
        "pending": 1_998_997,
        "status": "UPDATING",
    }
    assert shown()["reasons"] == {"INVALID_RECORD": 2, "INVALID_REQUEST": 3}


def test_a_large_feed_ends_with_the_counts_of_its_end(cloud):
    store(cloud, received=50_500, rejected=0, rejected_reasons={})
    for first in range(0, 50_500, 500):
        account(first, first + 500, "updated")
    assert call("show_feed", type="product", feed_id="f-1")[1]["status"] == "UPDATING", "not counted yet"
    assert conclude() == 1
    shown = call("show_feed", type="product", feed_id="f-1")[1]
    assert (shown["status"], shown["updated"], shown["pending"]) == ("COMPLETE", 50_500, 0)


def test_a_feed_that_is_transformed_shows_how_far_it_is(cloud):
    stretches = {"0": {"first": 0, "end": 700, "rejected": 3}}
    store(cloud, status="TRANSFORMING", stretches=stretches, received=None, rejected=None)
    shown = call("show_feed", type="product", feed_id="f-1")[1]
    assert (shown["status"], shown["received"], shown["rejected"], shown["pending"]) == ("TRANSFORMING", 700, 3, 697)
    assert conclude() == 0


def test_a_feed_ends_with_a_manifest_in_the_store_and_is_told_about_once_if_it_has_faults(cloud):
    store(cloud)
    account(0, 1197, "updated")
    assert conclude() == 0, "one record is pending"
    account(1197, 1198, "failed:INVALID_REQUEST")
    assert conclude() == 1
    kept = json.loads(cloud.s3.get_object(Bucket="store", Key="product/results/f-1.json")["Body"].read())
    assert (kept["status"], kept["updated"], kept["failed"]) == ("COMPLETE", 1197, 1)
    assert [message["feed_id"] for message in told(cloud)] == ["f-1"]
    assert conclude() == 0, "it is looked at again in an hour"
    # The hour is over, and the record was redriven meanwhile.
    account(1197, 1198, "updated")
    cloud.table.update_item(
        TableName="feeds",
        Key=to_item({"feed": "product/f-1"}),
        UpdateExpression="SET look_at = :past",
        ExpressionAttributeValues=to_item({":past": NOW}),
    )
    conclude()
    kept = json.loads(cloud.s3.get_object(Bucket="store", Key="product/results/f-1.json")["Body"].read())
    assert (kept["updated"], kept["failed"]) == (1198, 0)
    assert told(cloud) == []
    assert "open" not in cloud.table.get_item(TableName="feeds", Key=to_item({"feed": "product/f-1"}))["Item"]


@pytest.mark.parametrize(
    ("feed", "status", "faults"),
    [
        ({"received": 0, "rejected": 0, "rejected_reasons": {}}, "COMPLETE", 0),
        ({"received": 0, "rejected": 0, "rejected_reasons": {}, "unreadable": "EMPTY"}, "FAILED", 1),
        ({"received": 2}, "COMPLETE", 1),
    ],
)
def test_how_a_feed_ends(cloud, feed, status, faults):
    store(cloud, **feed)
    assert conclude() == 1
    assert len(told(cloud)) == faults
    assert call("show_feed", type="product", feed_id="f-1")[1]["status"] == status


def test_a_feed_that_is_uploaded_anew_is_not_concluded_for_the_old_run(cloud):
    from feeds.repository.runs import conclude as enter
    from feeds.repository.runs import read

    outcomes = dict.fromkeys(feed_accounts.OUTCOMES, 0)
    store(cloud, received=0, rejected=0, outcomes=outcomes)
    old = read("product", "f-1")
    store(cloud, run="r-2", status="TRANSFORMING", outcomes=outcomes)
    assert old
    assert not enter(old, outcomes, "COMPLETE", None)


def test_a_slow_invocation_does_not_bring_back_an_older_count(cloud, monkeypatch):
    """It counted before records were redriven, and writes after the one that counted them."""
    store(cloud)
    account(0, 1197, "updated")
    account(1197, 1198, "failed:INVALID_REQUEST")
    other = []

    def redriven() -> None:
        account(1197, 1198, "updated")
        other.append(conclude())

    meanwhile(monkeypatch, "PutObject", redriven)
    conclude()
    kept = json.loads(cloud.s3.get_object(Bucket="store", Key="product/results/f-1.json")["Body"].read())
    stored = cloud.table.get_item(TableName="feeds", Key=to_item({"feed": "product/f-1"}))["Item"]
    assert (kept["updated"], kept["failed"]) == (1198, 0)
    assert from_item(stored)["outcomes"]["failed"] == 0
    assert "open" not in stored
    assert other == [1]


def test_of_two_invocations_at_once_one_concludes_a_feed(cloud, monkeypatch):
    """Both have counted the same; the feed is told about once."""
    store(cloud)
    account(0, 1197, "updated")
    account(1197, 1198, "failed:INVALID_REQUEST")
    meanwhile(monkeypatch, "UpdateItem", conclude)
    assert conclude() == 0
    assert [message["feed_id"] for message in told(cloud)] == ["f-1"]
    assert told(cloud) == []


def test_a_new_feed_is_one_even_if_the_sdk_had_to_repeat_itself(cloud, monkeypatch: pytest.MonkeyPatch):
    repeat(monkeypatch, cloud.table, "put_item")
    expect("product", "feed-1", "C1", 2_000_000_000)
    assert len(cloud.table.scan(TableName="feeds")["Items"]) == 1


def test_a_feed_of_somebody_else_is_not_replaced(cloud):
    expect("product", "feed-1", "C1", 2_000_000_000)
    with pytest.raises(cloud.table.exceptions.ConditionalCheckFailedException):
        expect("product", "feed-1", "C2", 2_000_000_000)
