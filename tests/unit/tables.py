"""Tables in moto, for tests of what is stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto import mock_aws

from setpieces import aws


@contextmanager
def mocked_table(monkeypatch: pytest.MonkeyPatch, name: str, key: str) -> Iterator[Any]:
    """A DynamoDB client, and an empty table with the text ``key``; functions' own clients are made anew, before and after."""
    for variable, value in {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(variable, value)
    aws.client.cache_clear()
    aws.patient_client.cache_clear()
    aws.single_try_client.cache_clear()
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield aws.client("dynamodb")
    aws.client.cache_clear()
    aws.patient_client.cache_clear()
    aws.single_try_client.cache_clear()
