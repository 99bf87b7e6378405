"""Addresses of APIs and pages of a stage, and credentials of the local shop."""

import json
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from local.settings import SESSION
from tests.present import present
from tools import client as shops
from tools.client import Shop, samples_file

PUBLISHED = {
    "/setpieces/dev/basket/api-url": "https://abc.execute-api.eu-central-1.amazonaws.com/dev",
    "/setpieces/dev/edge/site-host": "d111.cloudfront.net",
}


@pytest.fixture
def parameter_names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of parameters that were read from Parameter Store."""
    names: list[str] = []

    def get_parameter(Name: str) -> dict[str, Any]:
        names.append(Name)
        return {"Parameter": {"Value": PUBLISHED[Name]}}

    monkeypatch.setattr(Shop, "aws", lambda shop, service: SimpleNamespace(get_parameter=get_parameter))
    return names


def test_a_stage_on_aws_is_called_at_its_published_addresses(parameter_names: list[str]):
    shop = Shop("dev", boto3.Session(region_name="eu-central-1"), None, None)
    for _ in range(2):
        assert shop.url("/basket/v1/baskets/b%2Fc") == f"{PUBLISHED['/setpieces/dev/basket/api-url']}/v1/baskets/b%2Fc"
        assert shop.url("/sitemap.xml") == "https://d111.cloudfront.net/sitemap.xml"
    assert parameter_names == list(PUBLISHED), "Parameter Store takes few calls a second"


def test_the_session_of_a_stage_on_aws_has_the_region_of_the_stage(monkeypatch: pytest.MonkeyPatch):
    """Regardless of the region of the caller's profile."""
    monkeypatch.setenv("SETPIECES_STAGE", "dev")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    assert Shop.from_environment().session.region_name == "eu-central-1"


def test_each_stage_has_samples_of_its_own():
    assert samples_file("local").name == "samples.json"
    assert len({samples_file(stage) for stage in ("local", "dev", "test")}) == 3


def test_the_local_shop_has_the_credentials_of_root_or_of_the_given_session(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SETPIECES_STAGE", raising=False)
    monkeypatch.setattr(
        shops,
        "aws_environment",
        lambda: dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"), "root"),
    )
    monkeypatch.delenv(SESSION, raising=False)
    assert present(Shop.from_environment().session.get_credentials()).access_key == "root"
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "aws_session_token": "token"}
    monkeypatch.setenv(SESSION, json.dumps(keys))
    credentials = present(Shop.from_environment().session.get_credentials())
    assert [credentials.access_key, credentials.secret_key, credentials.token] == list(keys.values())
