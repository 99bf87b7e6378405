"""A whole life of a stage, every step with the credentials that it has on AWS: an administrator bootstraps, then the pipeline's
role deploys with CloudFormation's role, an update fails and is rolled back, and the stage is destroyed and made again.

In an empty cloud of its own, and with those pieces only that every shop begins with, nested as in templates/shop.yaml: seven
deployments of all others would take a small machine too long.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from model.settings import ACCOUNT_ID, REGION, ROOT, STAGE
from model.sources import APPLICATION, SHOP, read
from tests.integration.deployments import Sessions
from tests.integration.two_emulators import PATCHED, Cloud, running
from tests.present import present
from tools import deploy, destroy, stack_parameters, stacks, stages

pytestmark = pytest.mark.local_only("it has emulators of its own")

PIECES = ("Foundation", "EventBus", "Sequences", "Partners", "Catalog", "Basket")
STACK = f"setpieces-{STAGE}"
REPOSITORY = "owner/name"
ISSUER = "https://token.actions.githubusercontent.com"
CLOUDFORMATION_ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/setpieces-{STAGE}-cloudformation"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with running(PATCHED, tmp_path_factory.mktemp("cloud")) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``sam build`` makes of the shop with ``PIECES`` only."""
    folder = tmp_path_factory.mktemp("shop")
    shop = {name: value for name, value in read(SHOP).document.items() if name != "Outputs"}
    shop["Resources"] = {name: shop["Resources"][name] for name in PIECES}
    for piece in shop["Resources"].values():
        assert piece["Type"] == APPLICATION
        properties = piece["Properties"]
        piece["Properties"] = properties | {"Location": str(SHOP.parent / properties["Location"])}
    (folder / "shop.yaml").write_text(yaml.safe_dump(shop, sort_keys=False))
    pip = {"LAYER_PLATFORM": "", "LAYER_COMPILER": sys.executable, "PIP": f"{sys.executable} -m uv pip"}
    done = sam(pip, "build", "--template", str(folder / "shop.yaml"), "--build-dir", str(folder / "built"))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "built" / "template.yaml"


def test_a_stage_lives_twice_under_the_roles_of_its_deployment(cloud: Cloud, built: Path):
    # As in an account that has it already: the emulator's CloudFormation knows no identity providers.
    provider = cloud.aws("iam").create_open_id_connect_provider(Url=ISSUER, ClientIDList=["sts.amazonaws.com"])
    trusted = (f"Repository={REPOSITORY}", f"OidcProviderArn={provider['OpenIDConnectProviderArn']}")
    template = ("--template-file", str(stack_parameters.template(stages.DELIVERY)))
    bootstrap = ("--config-env", deploy.BOOTSTRAP, "--region", REGION, "--stack-name", f"{STACK}-delivery", *template)
    parameters = ("--parameter-overrides", f"Stage={STAGE}", f"StageAccountId={ACCOUNT_ID}", *trusted)
    succeeds(sam(keys(cloud, cloud.root), "deploy", *bootstrap, *parameters))

    succeeds(deployed(cloud, built, LogRetentionDays="7"))
    assert log_retention_days(cloud) == {7}
    succeeds(deployed(cloud, built, LogRetentionDays="14"))
    assert log_retention_days(cloud) == {14}

    # Half-way: log groups have changed and versions are published when the first alias may not be moved to its version.
    policy = {"Effect": "Deny", "Action": "lambda:UpdateAlias", "Resource": "*"}
    role = {"RoleName": CLOUDFORMATION_ROLE.rpartition("/")[2], "PolicyName": "not-yet"}
    cloud.aws("iam").put_role_policy(PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": policy}), **role)
    started = datetime.now(UTC)
    assert deployed(cloud, built, LogRetentionDays="30").returncode != 0
    reasons = stacks.failed_resources(STACK, Sessions(cloud, pipeline(cloud)), started)
    caller = f"assumed-role/setpieces-{STAGE}-cloudformation/AWSCloudFormation"
    denial = f"{caller} is not authorized to perform: lambda:UpdateAlias"
    assert any("AWS::Lambda::Alias" in reason and denial in reason for reason in reasons), reasons
    assert status(cloud) == "UPDATE_ROLLBACK_COMPLETE"
    assert log_retention_days(cloud) == {14}
    cloud.aws("iam").delete_role_policy(**role)
    succeeds(deployed(cloud, built, LogRetentionDays="30"))
    assert log_retention_days(cloud) == {30}

    session: Any = Sessions(cloud, pipeline(cloud))
    destroy.destroy(STACK, session)
    assert log_retention_days(cloud) == set()
    succeeds(deployed(cloud, built, LogRetentionDays="7"))
    assert log_retention_days(cloud) == {7}


def deployed(cloud: Cloud, built: Path, **parameters: str) -> subprocess.CompletedProcess[str]:
    """``sam deploy`` as the pipeline does it, whose stages name the bucket and CloudFormation's role in samconfig.toml."""
    session = pipeline(cloud)
    values = stages.stage_parameters(STAGE) | parameters
    values["Release"] = stack_parameters.release(values, stacks.deployed_stack(STACK, Sessions(cloud, session)))
    bucket = f"setpieces-{STAGE}-artifacts-{ACCOUNT_ID}"
    arguments = (
        "--config-env",
        STAGE,
        "--template-file",
        str(built),
        "--s3-bucket",
        bucket,
        "--role-arn",
        CLOUDFORMATION_ROLE,
    )
    overrides = ("--parameter-overrides", *map(deploy.quoted, values.items()))
    return sam(keys(cloud, session), "deploy", *arguments, *overrides)


def pipeline(cloud: Cloud) -> boto3.Session:
    """The deploy role's session, with a token as GitHub's of its environment, whose signature the emulator does not verify."""
    claims = {
        "iss": ISSUER,
        "aud": "sts.amazonaws.com",
        "sub": f"repo:{REPOSITORY}:environment:{STAGE}",
    }
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    sts = cloud.aws("sts")
    # The local cloud refuses every request without a signature; AWS requires none here, and SDKs make none.
    sts.meta.events.register_first("choose-signer.sts.AssumeRoleWithWebIdentity", lambda **_: "v4")
    keys = sts.assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/setpieces-{STAGE}-deploy",
        RoleSessionName="run",
        WebIdentityToken=f"e30.{payload}.e30",
    )["Credentials"]
    return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION)


def keys(cloud: Cloud, session: boto3.Session) -> dict[str, str]:
    """The environment in which SAM CLI works in ``cloud`` with the credentials of ``session``."""
    credentials = present(session.get_credentials())
    environment = {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return environment | ({"AWS_SESSION_TOKEN": credentials.token} if credentials.token else {}) | deploy.LOCAL_POLLS


def sam(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*deploy.SAM_COMMAND, *arguments, "--config-file", str(stages.CONFIG)]
    environment = dict(os.environ) | {"SAM_CLI_TELEMETRY": "0"} | environment
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def succeeds(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def status(cloud: Cloud) -> str:
    return str(cloud.aws("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"])


def log_retention_days(cloud: Cloud) -> set[Any]:
    """Retention in days of the log groups of functions."""
    pages = cloud.aws("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=f"/aws/lambda/{STACK}")
    return {group.get("retentionInDays") for page in pages for group in page["logGroups"]}
