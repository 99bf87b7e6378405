"""Deployments: account, parameters, releases, and the reasons of failures."""

import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner
from moto import mock_aws

from model.templates import defaults, pieces, published_parameters
from tools import artifacts, deploy, seed, stack_parameters, stacks, stages

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
    accounts = [stages.stage_parameters(stage)["StageAccountId"] for stage in STAGES]
    assert len(set(accounts)) == len(STAGES)
    assert set(tomllib.loads(stages.CONFIG.read_text())) >= set(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_another_account_is_refused(session, stage):
    account = session.client("sts").get_caller_identity()["Account"]
    if account == stages.stage_parameters(stage)["StageAccountId"]:
        stacks.check_account(stage, session)
        return
    with pytest.raises(stacks.DeployFailed, match="Nothing was deployed"):
        stacks.check_account(stage, session)


def test_the_template_refuses_another_account_too():
    (assertion,) = pieces()["shop"].source["Rules"]["StageBelongsToAccount"]["Assertions"]
    assert assertion["Assert"] == {"Fn::Equals": [{"Ref": "StageAccountId"}, {"Ref": "AWS::AccountId"}]}


def test_a_piece_gets_its_parameters_from_published_addresses(session):
    ssm = session.client("ssm")
    ssm.put_parameter(Name="/setpieces/dev/foundation/kms-key-arn", Value="arn:key", Type="String")
    with pytest.raises(stacks.DeployFailed, match="deploy foundation first"):
        stack_parameters.overrides("dev", "sequences", session)
    ssm.put_parameter(Name="/setpieces/dev/foundation/alarm-topic-arn", Value="arn:topic", Type="String")
    ssm.put_parameter(Name="/setpieces/dev/foundation/internal-web-acl-arn", Value="arn:acl", Type="String")
    assert stack_parameters.overrides("dev", "sequences", session) == {
        "Stage": "dev",
        "LogRetentionDays": "14",
        "KmsKeyArn": "arn:key",
        "WebAclArn": "arn:acl",
        "AlarmTopicArn": "arn:topic",
    }


def test_another_layer_gives_another_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Versions behind an alias keep their layer, and SAM detects no change of a function whose layer is a parameter."""
    monkeypatch.setattr(stack_parameters, "ROOT", tmp_path)
    layer = tmp_path / "functions" / "common" / "setpieces" / "rest_api.py"
    layer.parent.mkdir(parents=True)
    layer.write_text("first")
    first = stack_parameters.digest({})
    (layer.parent / "__pycache__").mkdir()
    (layer.parent / "__pycache__" / "rest_api.pyc").write_text("compiled")
    assert stack_parameters.digest({}) == first
    assert stack_parameters.digest({"SnapStart": "PublishedVersions"}) != first
    layer.write_text("second")
    assert stack_parameters.digest({}) != first


@pytest.mark.parametrize("piece", ["shop", "basket", "catalog", "orders"])
def test_every_template_with_aliases_gets_the_release(session, piece: str):
    """Its digest covers sources, settings and addresses."""
    for address in published_parameters(stack_parameters.document(piece)).values():
        session.client("ssm").put_parameter(Name=f"/setpieces/dev/{address}", Value="x", Type="String")
    parameters = stack_parameters.overrides("dev", piece, session)
    release = parameters.pop("Release")
    assert release.endswith(f"-{stack_parameters.digest(parameters)}")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes a samconfig.toml with these overrides of stage dev."""

    def write(*overrides: str) -> None:
        config = tmp_path / "samconfig.toml"
        config.write_text(f"[dev.deploy.parameters]\nparameter_overrides = {json.dumps(overrides)}\n")
        monkeypatch.setattr(stages, "CONFIG", config)

    return write


@pytest.mark.parametrize(
    ("piece", "name", "hint"),
    [
        ("shop", "MailForm", "Did you mean MailFrom?"),
        ("shop", "FileDays", "Did you mean VouchersFileDays?"),
        (
            "shop",
            "RequestsPerFiveMinutes",
            "Did you mean EdgeRequestsPerFiveMinutes or FoundationRequestsPerFiveMinutes?",
        ),
        ("shop", "FeedType", "no template has such a parameter"),
        ("shop", "KmsKeyArn", "no template has such a parameter"),
        ("shop", "Release", "no template has such a parameter"),
        ("vouchers", "CodeKeyVersoin", "Did you mean CodeKeyVersion?"),
        ("vouchers", "KmsKeyArn", "no template has such a parameter"),
    ],
)
def test_a_parameter_that_no_template_has_is_refused_and_named(settings, piece: str, name: str, hint: str):
    settings("Stage=dev", f"{name}=1")
    with pytest.raises(
        stacks.DeployFailed, match=rf"sets {name} for stage dev.*{re.escape(hint)}.*Nothing was deployed"
    ):
        stack_parameters.check_parameters("dev", piece)


@pytest.mark.parametrize("check", ["check_account", "check_parameters", "check_alone"])
def test_all_checks_run_before_the_build(monkeypatch: pytest.MonkeyPatch, check: str):
    def refuse(*_: Any) -> None:
        raise stacks.DeployFailed("refused")

    for each in ("check_account", "check_parameters", "check_alone"):
        monkeypatch.setattr(deploy, each, refuse if each == check else lambda *_: None)
    monkeypatch.setattr(deploy, "build", lambda *_: pytest.fail("it was built"))
    with pytest.raises(stacks.DeployFailed, match="refused"):
        deploy.deploy("dev", "basket", {})


def test_a_piece_gets_its_own_parameters_of_a_stage(session, settings):
    """Names of other pieces are accepted; its own have the shop's names in samconfig.toml."""
    settings("Stage=dev", "StorefrontTasks=3", "VouchersFileDays=30", "FeedType=sku")
    stack_parameters.check_parameters("dev", "feed-pipeline")
    for address in published_parameters(stack_parameters.document("vouchers")).values():
        session.client("ssm").put_parameter(Name=f"/setpieces/dev/{address}", Value="x", Type="String")
    assert stack_parameters.overrides("dev", "vouchers", session)["FileDays"] == "30"
    assert "Tasks" not in stack_parameters.overrides("dev", "vouchers", session)


@pytest.mark.parametrize("piece", sorted(pieces().keys() - {"delivery"}))
def test_every_deployment_sets_what_samconfig_leaves_to_the_template(settings, piece: str):
    """CloudFormation would keep the previous value of a parameter that SAM CLI does not set."""
    settings("Stage=dev", "VouchersFileDays=30")
    parameters, source = stack_parameters.chosen("dev", piece), stack_parameters.document(piece)
    settable = set(stack_parameters.parameter_names(piece).values())
    for name in settable & defaults(source).keys():
        set_here = name in ("VouchersFileDays", "FileDays")
        assert parameters[name] == ("30" if set_here else str(source["Parameters"][name]["Default"]))
    assert not published_parameters(source).keys() & parameters.keys()


def test_a_deployment_of_delivery_keeps_what_the_command_line_set_before():
    assert stack_parameters.chosen("dev", "delivery").keys() & {"Repository", "OidcProviderArn"} == set()


def test_sam_cli_parses_each_value_as_written(settings):
    values = {
        "A": "cron(0 3 * * ? *)",
        "B": "/,/products",
        "C": 'the "Brick" Shop',
        "D": "x=y z=1",
        "E": "it's",
        "F": "",
    }
    settings(*(f"{name}={value}" for name, value in values.items()), 'G="in quotes, as SAM CLI wants it"')
    parameters = stages.stage_parameters("dev")
    code = (
        "import json, sys; from samcli.cli.types import CfnParameterOverridesType as Overrides;"
        "print(json.dumps(Overrides().convert(tuple(sys.argv[1:]), None, None)))"
    )
    command = [deploy.SAM_COMMAND[0], "-c", code, *map(deploy.quoted, parameters.items())]
    read = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert read == parameters == values | {"G": "in quotes, as SAM CLI wants it"}


def test_a_piece_is_refused_beside_the_whole_shop(session):
    stacks.check_alone("dev", "basket", session)
    stack = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    session.client("cloudformation").create_stack(StackName="setpieces-dev", TemplateBody=json.dumps(stack))
    with pytest.raises(stacks.DeployFailed, match=r"make deploy ENV=dev.*Nothing was deployed"):
        stacks.check_alone("dev", "basket", session)
    for piece in ("shop", "delivery"):
        stacks.check_alone("dev", piece, session)


def test_the_message_for_an_unknown_piece_lists_the_pieces():
    with pytest.raises(stacks.DeployFailed, match=r"Unknown set piece 'nope'.*sequences"):
        stack_parameters.template("nope")


def test_a_failed_step_shows_its_output(tmp_path, monkeypatch):
    monkeypatch.setattr(deploy, "STATE", tmp_path)
    monkeypatch.setattr(deploy, "SAM_COMMAND", ("/bin/false",))
    with pytest.raises(stacks.DeployFailed, match="sam build failed"):
        deploy.build("dev", "sequences", {})


ROOT_STACK = "arn:aws:cloudformation:eu-central-1:1:stack/setpieces-dev/1"
NESTED_STACK = "arn:aws:cloudformation:eu-central-1:1:stack/setpieces-dev-Basket-1/2"


def event(stack: str, second: int, status: str, reason: str | None = None, **other: str) -> dict[str, Any]:
    return {
        "StackId": stack,
        "StackName": stack.split("/")[1],
        "LogicalResourceId": "Q",
        "ResourceType": "T",
        "ResourceStatus": status,
        "Timestamp": START + timedelta(seconds=second),
        **({"ResourceStatusReason": reason} if reason else {}),
        **other,
    }


class StackEvents:
    """CloudFormation for a role that may describe the stacks of its stage by name or ARN; two events a page."""

    def __init__(self, events: dict[str, list[dict[str, Any]]]):
        self.events, self.stack_names = events, list[str]()

    def client(self, _: str, /) -> "StackEvents":
        return self

    def get_paginator(self, operation: str) -> "StackEvents":
        assert operation == "describe_stack_events"
        return self

    def paginate(self, StackName: str) -> Iterator[dict[str, Any]]:
        newest_first = sorted(self.events[StackName], key=lambda event: event["Timestamp"], reverse=True)
        for start in range(0, len(newest_first), 2):
            self.stack_names.append(StackName)
            yield {"StackEvents": newest_first[start : start + 2]}


def test_reasons_of_nested_stacks_are_found_by_their_arn_on_every_page():
    nested = {"ResourceType": "AWS::CloudFormation::Stack", "LogicalResourceId": "Basket"}
    root = {**nested, "LogicalResourceId": "setpieces-dev", "PhysicalResourceId": ROOT_STACK}
    cloud = StackEvents(
        {
            "setpieces-dev": [
                event(ROOT_STACK, 0, "CREATE_FAILED", "long ago"),
                event(ROOT_STACK, 2, "UPDATE_IN_PROGRESS", "User Initiated", **root),
                event(ROOT_STACK, 3, "CREATE_IN_PROGRESS", **nested),
                event(ROOT_STACK, 4, "CREATE_IN_PROGRESS", **nested, PhysicalResourceId=NESTED_STACK),
                event(
                    ROOT_STACK,
                    7,
                    "CREATE_FAILED",
                    "Embedded stack was not created",
                    **nested,
                    PhysicalResourceId=NESTED_STACK,
                ),
                event(ROOT_STACK, 9, "DELETE_COMPLETE", **nested, PhysicalResourceId=NESTED_STACK),
            ],
            NESTED_STACK: [
                event(NESTED_STACK, 5, "CREATE_FAILED", "bad policy"),
                event(NESTED_STACK, 6, "CREATE_FAILED"),
            ],
        }
    )
    assert stacks.failed_resources("setpieces-dev", cloud, START + timedelta(seconds=1)) == [
        "  setpieces-dev-Basket-1 / Q (T): bad policy",
        "  setpieces-dev / Basket (AWS::CloudFormation::Stack): Embedded stack was not created",
    ]
    assert cloud.stack_names == ["setpieces-dev"] * 3 + [NESTED_STACK]


def test_reasons_are_reported_although_one_stack_may_not_be_described():
    class Denied(StackEvents):
        def paginate(self, StackName: str) -> Iterator[dict[str, Any]]:
            if StackName == NESTED_STACK:
                raise ClientError({"Error": {"Code": "AccessDenied"}}, "DescribeStackEvents")
            yield from super().paginate(StackName)

    nested = {"ResourceType": "AWS::CloudFormation::Stack", "PhysicalResourceId": NESTED_STACK}
    cloud = Denied({"setpieces-dev": [event(ROOT_STACK, 2, "CREATE_FAILED", "not created", **nested)]})
    assert stacks.failed_resources("setpieces-dev", cloud, START) == [
        "  setpieces-dev / Q (AWS::CloudFormation::Stack): not created"
    ]


@pytest.mark.parametrize("piece", ["shop", "delivery"])
def test_every_deployment_of_a_stage_goes_to_its_region(session, monkeypatch: pytest.MonkeyPatch, piece: str):
    """Also delivery, whose section of samconfig.toml all stages share."""
    commands: list[list[str]] = []
    settings = stages.stage_settings("dev") | {"region": "eu-west-1"}
    monkeypatch.setattr(deploy, "stage_settings", lambda stage: settings)
    monkeypatch.setattr(deploy, "check_account", lambda *_: None)
    monkeypatch.setattr(deploy, "_sam", lambda arguments, *_: commands.append(arguments))
    deploy.deploy("dev", piece)
    command = commands[-1]
    assert command[command.index("--region") + 1] == "eu-west-1"


@pytest.mark.parametrize(
    ("status", "checks"), [(None, 1), ("ROLLBACK_COMPLETE", 1), ("CREATE_COMPLETE", 0), ("UPDATE_ROLLBACK_COMPLETE", 0)]
)
def test_the_account_is_checked_before_a_stack_is_created(
    session, monkeypatch: pytest.MonkeyPatch, status: str | None, checks: int
):
    calls: list[tuple[Any, ...]] = []

    def not_ready(*arguments: Any) -> None:
        calls.append(arguments)
        raise stacks.DeployFailed("not ready")

    monkeypatch.setattr(deploy, "require", not_ready)
    monkeypatch.setattr(deploy, "session_for", lambda stage: session)
    monkeypatch.setattr(deploy, "check_account", lambda *_: None)
    monkeypatch.setattr(deploy, "deployed_stack", lambda *_: {"StackStatus": status} if status else None)
    deployments: list[str] = []
    monkeypatch.setattr(deploy, "deploy", lambda stage, *_: deployments.append(stage))
    result = CliRunner().invoke(deploy.main, ["--env", "dev", "--piece", "basket"])
    assert (len(calls), len(deployments), result.exit_code) == (checks, 1 - checks, checks)


@pytest.mark.parametrize(
    ("stage", "piece", "stocked"),
    [("dev", "shop", ["dev"]), ("test", "shop", ["test"]), ("prod", "shop", []), ("dev", "basket", [])],
)
def test_a_deployment_of_a_stage_with_simulators_creates_products(
    session, monkeypatch: pytest.MonkeyPatch, stage: str, piece: str, stocked: list[str]
):
    """The pipeline runs smoke next, which buys a product, and no other step seeds the simulators of test."""
    shops: list[str] = []
    monkeypatch.setattr(seed, "stock_simulators", lambda shop: shops.append(shop.stage))
    monkeypatch.setattr(deploy, "session_for", lambda stage: session)
    monkeypatch.setattr(deploy, "deployed_stack", lambda *_: {"StackStatus": "UPDATE_COMPLETE"})
    for step in ("check_account", "deploy", "raise_sequences"):
        monkeypatch.setattr(deploy, step, lambda *_: None)
    result = CliRunner().invoke(deploy.main, ["--env", stage, "--piece", piece], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert shops == stocked


def test_only_a_stack_whose_creation_failed_is_deleted(session):
    cloudformation = session.client("cloudformation")
    cloudformation.create_stack(
        StackName="setpieces-dev", TemplateBody='{"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}'
    )
    stacks.remove_failed_creation("setpieces-dev", session)
    stacks.remove_failed_creation("setpieces-dev-basket", session)
    assert [stack["StackStatus"] for stack in cloudformation.describe_stacks()["Stacks"]] == ["CREATE_COMPLETE"]


def test_an_image_is_pushed_once(session):
    """Tags of the repository are immutable: pushing the commit again would fail."""
    ecr = session.client("ecr")
    repository = ecr.create_repository(repositoryName="setpieces-dev-storefront")["repository"]["repositoryUri"]
    assert not artifacts.is_pushed(repository, "abc", session)
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []})
    ecr.put_image(repositoryName="setpieces-dev-storefront", imageManifest=manifest, imageTag="abc")
    assert artifacts.is_pushed(repository, "abc", session)
