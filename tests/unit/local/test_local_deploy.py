"""Deploying: the right account, the addresses a piece needs, and reasons when it fails."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
import yaml
from moto import mock_aws

from local import deploy
from local.settings import ROOT

START = datetime(2026, 1, 1, tzinfo=UTC)
STAGES = ("local", "dev", "test", "prod")


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.Session(region_name="eu-central-1")


def test_every_stage_has_an_account_of_its_own():
    accounts = [deploy.stage_settings(stage)["parameter_overrides"][1] for stage in STAGES]
    assert len(set(accounts)) == len(STAGES)
    assert set(tomllib.loads(deploy.CONFIG.read_text())) >= set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_another_account_is_refused(session, stage):
    account = session.client("sts").get_caller_identity()["Account"]
    settings = dict(pair.split("=", 1) for pair in deploy.stage_settings(stage)["parameter_overrides"])
    if account == settings["StageAccountId"]:
        deploy.check_account(stage, session)
        return
    with pytest.raises(deploy.DeployFailed, match="Nothing was deployed"):
        deploy.check_account(stage, session)


def test_the_template_refuses_another_account_too():
    class Loader(yaml.CSafeLoader):
        """Intrinsics as tagged lists."""

    Loader.add_multi_constructor(
        "!",
        lambda loader, tag, node: (
            tag,
            loader.construct_sequence(node, deep=True)
            if isinstance(node, yaml.SequenceNode)
            else loader.construct_scalar(node),
        ),
    )
    shop = yaml.load((ROOT / "templates" / "shop.yaml").read_text(), Loader)
    (assertion,) = shop["Rules"]["StageBelongsToAccount"]["Assertions"]
    assert assertion["Assert"] == ("Equals", [("Ref", "StageAccountId"), ("Ref", "AWS::AccountId")])


def test_a_piece_gets_its_parameters_from_published_addresses(session):
    ssm = session.client("ssm")
    ssm.put_parameter(Name="/setpieces/dev/foundation/kms-key-arn", Value="arn:key", Type="String")
    with pytest.raises(deploy.DeployFailed, match="deploy foundation first"):
        deploy.overrides("dev", "sequences", session)
    ssm.put_parameter(Name="/setpieces/dev/foundation/alarm-topic-arn", Value="arn:topic", Type="String")
    ssm.put_parameter(Name="/setpieces/dev/foundation/web-acl-arn", Value="arn:acl", Type="String")
    assert deploy.overrides("dev", "sequences", session) == [
        "Stage=dev",
        "LogRetentionDays=14",
        "KmsKeyArn=arn:key",
        "WebAclArn=arn:acl",
        "AlarmTopicArn=arn:topic",
    ]


def test_another_layer_is_another_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Versions behind an alias keep their layer, and SAM sees no change in a function whose layer is a parameter."""
    monkeypatch.setattr(deploy, "ROOT", tmp_path)
    layer = tmp_path / "functions" / "common" / "setpieces" / "rest.py"
    layer.parent.mkdir(parents=True)
    layer.write_text("first")
    first = deploy.release()
    (layer.parent / "__pycache__").mkdir()
    (layer.parent / "__pycache__" / "rest.pyc").write_text("compiled")
    assert deploy.release() == first
    layer.write_text("second")
    assert deploy.release() != first


@pytest.mark.parametrize("piece", ["shop", "basket", "catalog", "orders"])
def test_whoever_has_aliases_is_told_of_the_release(session, piece: str):
    for address in deploy.set_piece(piece)["Parameters"].values():
        session.client("ssm").put_parameter(Name=f"/setpieces/dev/{address}", Value="x", Type="String")
    assert f"Release={deploy.release()}" in deploy.overrides("dev", piece, session)


def test_an_unknown_piece_is_named_with_those_there_are():
    with pytest.raises(deploy.DeployFailed, match=r"no set piece 'nope'.*sequences"):
        deploy.template("nope")


def test_a_failed_step_shows_what_it_said(tmp_path, monkeypatch):
    monkeypatch.setattr(deploy, "STATE", tmp_path)
    monkeypatch.setattr(deploy, "SAM_COMMAND", ("/bin/false",))
    with pytest.raises(deploy.DeployFailed, match="sam build failed"):
        deploy.build("dev", "sequences", {})


def test_failed_resources_come_with_their_reasons():
    events = [
        {
            "StackName": "s",
            "LogicalResourceId": "Q",
            "ResourceType": "T",
            "ResourceStatus": status,
            "Timestamp": START + timedelta(seconds=n),
        }
        | ({"ResourceStatusReason": reason} if reason else {})
        for n, (status, reason) in enumerate(
            [
                ("CREATE_FAILED", "long ago"),
                ("CREATE_COMPLETE", None),
                ("CREATE_FAILED", "bad policy"),
                ("CREATE_FAILED", None),
            ]
        )
    ]
    client = SimpleNamespace(
        describe_stacks=lambda: {"Stacks": [{"StackName": "setpieces-dev-x"}, {"StackName": "other"}]},
        describe_stack_events=lambda StackName: {"StackEvents": events},
    )
    session = SimpleNamespace(client=lambda _: client)
    assert deploy.failed_resources("setpieces-dev", session, START + timedelta(seconds=1)) == [
        "  s / Q (T): bad policy"
    ]
