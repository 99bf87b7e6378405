"""Published addresses become those of the front door."""

import boto3
import pytest
from moto import mock_aws

from local.cloud.published_addresses import point_to_front_door
from local.settings import FRONT_DOOR

URL = "https://abc123.execute-api.eu-central-1.amazonaws.com/local"


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("ssm", region_name="eu-central-1")


def parameter(name: str, value: str) -> dict:
    return {"type": "AWS::SSM::Parameter", "physical_id": name, "properties": {"Name": name, "Value": value}}


def test_only_execute_api_addresses_change_and_their_paths_stay(ssm):
    deployed = [
        {
            "type": "AWS::ApiGateway::RestApi",
            "physical_id": "abc123",
            "properties": {"Name": "setpieces-local-partners"},
        },
        parameter("/a", URL),
        parameter("/b", f"{URL}/v1/commerce"),
        parameter("/c", "arn:aws:execute-api:eu-central-1:000000000000:abc123/local"),
        parameter("/d", "table"),
    ]
    changed = point_to_front_door(ssm, deployed)
    assert changed == {"/a": f"{FRONT_DOOR}/partners", "/b": f"{FRONT_DOOR}/partners/v1/commerce"}
    assert ssm.get_parameter(Name="/b")["Parameter"]["Value"] == changed["/b"]
