"""The simulators over a mocked table."""

import importlib

import boto3
import pytest
from moto import mock_aws

from setpieces import aws


@pytest.fixture
def app(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("TABLE_NAME", "partners")
    aws.client.cache_clear()
    aws.patient_client.cache_clear()
    with mock_aws():
        boto3.client("dynamodb").create_table(
            TableName="partners",
            AttributeDefinitions=[
                {"AttributeName": "collection", "AttributeType": "S"},
                {"AttributeName": "key", "AttributeType": "S"},
            ],
            KeySchema=[
                {"AttributeName": "collection", "KeyType": "HASH"},
                {"AttributeName": "key", "KeyType": "RANGE"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        module = importlib.import_module("partners.handlers.simulate")
        monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
        # A password's digest is slow by design; none of these passwords is worth guessing.
        monkeypatch.setenv("PASSWORD_HASH_COST", "2")
        yield module
    aws.client.cache_clear()
    aws.patient_client.cache_clear()
