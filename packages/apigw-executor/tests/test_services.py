"""Integration URIs as requests to services."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from apigw_executor import services

PREFIX = "arn:aws:apigateway:eu-central-1:"


@pytest.mark.parametrize(
    ("uri", "target", "content_type", "scope"),
    [
        ("dynamodb:action/UpdateItem", "DynamoDB_20120810.UpdateItem", "application/x-amz-json-1.0", "dynamodb"),
        ("firehose:action/PutRecord", "Firehose_20150804.PutRecord", "application/x-amz-json-1.1", "firehose"),
        ("kinesis:action/PutRecord", "Kinesis_20131202.PutRecord", "application/x-amz-json-1.1", "kinesis"),
        ("events:action/PutEvents", "AWSEvents.PutEvents", "application/x-amz-json-1.1", "events"),
        ("states:action/StartExecution", "AWSStepFunctions.StartExecution", "application/x-amz-json-1.0", "states"),
        ("sqs:action/SendMessage", "AmazonSQS.SendMessage", "application/x-amz-json-1.0", "sqs"),
        ("ssm:action/GetParameter", "AmazonSSM.GetParameter", "application/x-amz-json-1.1", "ssm"),
    ],
)
def test_json_services(uri: str, target: str, content_type: str, scope: str) -> None:
    request = services.build(services.parse(PREFIX + uri), "POST", {}, (), {}, b'{"a":1}')
    assert (request.method, request.path, request.body) == ("POST", "/", b'{"a":1}')
    assert request.headers == {"X-Amz-Target": target, "Content-Type": content_type}
    assert (request.signing_name, request.region) == (scope, "eu-central-1")


def test_a_mapped_content_type_wins() -> None:
    uri = services.parse(PREFIX + "dynamodb:action/GetItem")
    headers = {"content-type": "application/x-amz-json-1.1"}
    assert services.build(uri, "POST", {}, (), headers, b"{}").headers["content-type"] == "application/x-amz-json-1.1"


@pytest.mark.parametrize(
    ("uri", "query", "body", "expected"),
    [
        ("sns:action/Publish", (("TopicArn", "t"), ("Message", "a&b")), b"", {"TopicArn": ["t"], "Message": ["a&b"]}),
        ("sns:action/Publish", (), b"Action=Other&Message=m", {"Message": ["m"]}),
        ("sqs:action/SendMessage", (("MessageBody", "{}"),), b"", {"MessageBody": ["{}"]}),
    ],
)
def test_query_services(
    uri: str, query: tuple[tuple[str, str], ...], body: bytes, expected: dict[str, list[str]]
) -> None:
    request = services.build(services.parse(PREFIX + uri), "POST", {}, query, {}, body)
    fields = parse_qs(request.body.decode())
    assert fields.pop("Action") == [uri.rsplit("/", 1)[1]]
    assert fields.pop("Version")
    assert fields == expected
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("s3:path//", "/"),  # a path override of "/", as the console writes it
        ("s3:path/{bucket}/{key}", "/files/a%20b"),
        ("s3:path//{bucket}/{key}", "/files/a%20b"),
        ("files.s3:path/{key}", "/files/a%20b"),
        ("files.s3:path//", "/files/"),
        ("runtime.sagemaker:path/endpoints/{key}/invocations", "/endpoints/a%20b/invocations"),
    ],
)
def test_a_path_override_and_a_bucket_as_subdomain_are_parts_of_the_path(uri: str, path: str) -> None:
    values = {"bucket": "files", "key": "a b"}
    assert services.build(services.parse(PREFIX + uri), "GET", values, (), {}, b"").path == path


def test_parameters_of_an_action_are_fields_of_the_form() -> None:
    uri = services.parse(PREFIX + "sns:action/Publish&TopicArn={topic}&Subject=a%20b")
    request = services.build(uri, "POST", {"topic": "arn:1"}, (("Message", "m"),), {}, b"")
    fields = parse_qs(request.body.decode())
    assert [fields[name] for name in ("Action", "TopicArn", "Subject", "Message")] == [
        ["Publish"],
        ["arn:1"],
        ["a b"],
        ["m"],
    ]


def test_the_method_of_the_integration_is_sent() -> None:
    for uri in ("dynamodb:action/GetItem", "sns:action/Publish", "s3:path/bucket"):
        assert services.build(services.parse(PREFIX + uri), "GET", {}, (), {}, b"").method == "GET"


def test_paths() -> None:
    sqs = services.build(services.parse(PREFIX + "sqs:path/1/queue"), "POST", {}, (), {}, b"Action=SendMessage")
    assert (sqs.path, sqs.headers["Content-Type"]) == ("/1/queue", "application/x-www-form-urlencoded")
    s3 = services.parse(PREFIX + "s3:path/{bucket}/{key}?acl")
    request = services.build(s3, "GET", {"bucket": "b", "key": "a b/é?x"}, (("v", "1"),), {}, b"")
    assert (request.path, request.query) == ("/b/a%20b/%C3%A9%3Fx", (("acl", ""), ("v", "1")))


def test_functions() -> None:
    arn = "arn:aws:lambda:eu-central-1:1:function:f:live"
    parsed = services.parse(f"{PREFIX}lambda:path/2015-03-31/functions/{arn}/invocations")
    assert parsed.function == arn
    assert services.parse(PREFIX + "s3:path/b").function is None


@pytest.mark.parametrize("uri", ["", "http://x", "arn:aws:apigateway:eu:dynamodb", PREFIX + "dynamodb:other/X"])
def test_an_invalid_uri_is_refused(uri: str) -> None:
    with pytest.raises(services.BadUri):
        services.parse(uri)


@pytest.mark.parametrize("uri", ["dynamodb:action/Nope", "nope:action/X", "s3:action/GetObject"])
def test_an_unknown_operation_is_refused(uri: str) -> None:
    with pytest.raises(services.BadUri):
        services.build(services.parse(PREFIX + uri), "POST", {}, (), {}, b"")
