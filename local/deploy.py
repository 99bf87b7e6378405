"""Build and deploy with AWS SAM CLI: the whole shop or one piece, to AWS or to the local cloud, by the same steps.

    make deploy ENV=dev                  sam build, sam deploy --config-env dev of templates/shop.yaml
    make deploy ENV=dev PIECE=basket     the same for one piece, as stack setpieces-dev-basket
    make bootstrap ENV=dev REPOSITORY=owner/name
                                         what the account needs first, with an administrator's credentials

A piece's parameters come from the addresses that its template names under ``Metadata.SetPiece.Parameters``.
"""

import hashlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import click
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from local.counters import raise_sequences
from local.credentials import private_folder
from local.failures import CommandFailed, check_running
from local.options import PIECE, STAGE
from local.progress import step
from local.settings import ROOT, SAM, STATE, aws_environment

SAM_COMMAND = (str(SAM.with_name("python")), str(ROOT / "local" / "sam.py"))
# SAM CLI waits five seconds between its looks at a stack, to spare an account's quotas; the local cloud has none.
LOCAL_POLLS = {"SAM_CLI_POLL_DELAY": "0.2"}
CONFIG = ROOT / "samconfig.toml"
DELIVERY, BOOTSTRAP = "delivery", "bootstrap"
DEPLOYED = ("templates", "functions", "schemas", "statemachines")


class DeployFailed(CommandFailed):
    """The message says which step failed, why, and what to do."""


class _Template(yaml.CSafeLoader):
    """Reads CloudFormation's short-form intrinsics as plain values: only the metadata is of interest here."""


_Template.add_multi_constructor("!", lambda loader, suffix, node: None)


def template(piece: str) -> Path:
    """The template of a piece. Raises ``DeployFailed`` for a name that has none."""
    path = ROOT / "templates" / f"{piece}.yaml"
    if not path.is_file():
        pieces = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml")))
        raise DeployFailed(f"There is no set piece {piece!r}. There are: {pieces}.")
    return path


def set_piece(piece: str) -> dict[str, Any]:
    """``Metadata.SetPiece`` of a piece's template: {"Service", "Parameters": {parameter: "<service>/<name>"}}."""
    document = yaml.load(template(piece).read_text(), _Template)
    return document["Metadata"]["SetPiece"]


def stage_settings(stage: str) -> dict[str, Any]:
    """What samconfig.toml says of deploying to ``stage``."""
    return tomllib.loads(CONFIG.read_text())[stage]["deploy"]["parameters"]


def release() -> str:
    """A digest of all that is deployed. SAM sees no change in a function whose layer comes by a parameter, so it is told."""
    digest = hashlib.sha256()
    for folder in DEPLOYED:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:10]


def overrides(stage: str, piece: str, session: boto3.Session) -> list[str]:
    """``Name=value`` for every parameter of a piece that deploys alone. Raises ``DeployFailed`` if an address is missing."""
    declared = yaml.load(template(piece).read_text(), _Template).get("Parameters", {})
    settings = dict(pair.split("=", 1) for pair in stage_settings(stage)["parameter_overrides"])
    settings["Release"] = release()
    chosen = {name: value for name, value in settings.items() if name in declared}
    ssm = session.client("ssm")
    for parameter, address in set_piece(piece)["Parameters"].items():
        name = f"/setpieces/{stage}/{address}"
        try:
            chosen[parameter] = ssm.get_parameter(Name=name)["Parameter"]["Value"]
        except ssm.exceptions.ParameterNotFound as error:
            owner = address.split("/")[0]
            raise DeployFailed(
                f"{piece} needs {name}: deploy {owner} first (make deploy PIECE={owner} ENV={stage})."
            ) from error
    return [f"{name}={value}" for name, value in chosen.items()]


def check_account(stage: str, session: boto3.Session) -> None:
    """Refuse to go on with credentials of another account than the stage's."""
    settings = dict(pair.split("=", 1) for pair in stage_settings(stage)["parameter_overrides"])
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise DeployFailed(f"No usable AWS credentials for stage {stage}: {error}") from error
    if account != settings["StageAccountId"]:
        raise DeployFailed(
            f"Stage {stage} lives in account {settings['StageAccountId']}, but your credentials are of account {account}. "
            "Nothing was deployed. Change the credentials, or the account in samconfig.toml if the stage has moved."
        )


def build(stage: str, piece: str, environment: dict[str, str]) -> Path:
    """``sam build``; returns the built template."""
    target = STATE / "build" / piece if stage == "local" else ROOT / ".aws-sam" / piece
    # Functions run on this machine in the local cloud, and on Python 3.13 on arm64 in AWS.
    # uv, which links what it has in its cache, does not know pip's options for another platform.
    layer = (
        {"LAYER_PLATFORM": "", "LAYER_COMPILER": sys.executable, "PIP": f"{sys.executable} -m uv pip"}
        if stage == "local"
        else {"PIP": f"{sys.executable} -m pip"}
    )
    _sam(
        ["build", "--template", str(template(piece)), "--build-dir", str(target)],
        environment | layer,
        "sam build",
    )
    return target / "template.yaml"


def deploy(
    stage: str,
    piece: str = "shop",
    environment: dict[str, str] | None = None,
    *extra_overrides: str,
    built: Callable[[], None] = lambda: None,
) -> None:
    """Build and deploy ``piece`` to ``stage``, with parameters ``Name=value`` of its own; ``built`` is called in between.

    Raises ``DeployFailed`` and what ``built`` raises.
    """
    environment = environment if environment is not None else dict(os.environ)
    if stage == "local":
        environment = environment | LOCAL_POLLS
    session = session_for(stage)
    check_account(stage, session)
    packaged = build(stage, piece, environment)
    built()
    # Before an account is bootstrapped it has neither the bucket nor the role that its stage deploys with.
    arguments = ["deploy", "--template-file", str(packaged), "--config-env", BOOTSTRAP if piece == DELIVERY else stage]
    stack = stack_of(stage, piece)
    arguments += ["--stack-name", stack, "--parameter-overrides"]
    arguments += [*overrides(stage, piece, session), *extra_overrides]
    started = datetime.now(UTC)
    try:
        _sam(arguments, environment, "sam deploy")
    except DeployFailed as failure:
        reasons = failed_resources(stack, session, started)
        raise DeployFailed("\n".join(["The deployment failed:", *reasons]) if reasons else str(failure)) from failure


def stack_of(stage: str, piece: str) -> str:
    """The name of the stack that ``piece`` is deployed as."""
    return f"setpieces-{stage}" + ("" if piece == "shop" else f"-{piece}")


def stack_exists(stack: str, session: boto3.Session) -> bool:
    """Whether a stack has been created; one whose change set was never executed has not."""
    try:
        (found,) = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return False
        raise
    return bool(found["StackStatus"] != "REVIEW_IN_PROGRESS")


def failed_resources(stack: str, session: boto3.Session, since: datetime) -> list[str]:
    """What CloudFormation says of the resources of ``stack`` and its nested stacks that failed ``since``, first first."""
    client = session.client("cloudformation")
    try:
        stacks = [s["StackName"] for s in client.describe_stacks()["Stacks"] if s["StackName"].startswith(stack)]
        events = [event for name in stacks for event in client.describe_stack_events(StackName=name)["StackEvents"]]
    except (BotoCoreError, ClientError):
        return []
    return [
        f"  {event['StackName']} / {event['LogicalResourceId']} ({event['ResourceType']}): {event['ResourceStatusReason']}"
        for event in sorted(events, key=lambda event: event["Timestamp"])
        if event["ResourceStatus"].endswith("FAILED")
        and event.get("ResourceStatusReason")
        and event["Timestamp"] >= since
    ]


def session_for(stage: str) -> boto3.Session:
    """With the credentials of the environment; for the local cloud its own."""
    if stage == "local":
        os.environ.update(aws_environment())
    return boto3.Session(region_name=stage_settings(stage)["region"])


def _sam(arguments: list[str], environment: dict[str, str], step: str) -> None:
    command = [*SAM_COMMAND, *arguments, "--config-file", str(CONFIG)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment | {"SAM_CLI_TELEMETRY": "0"}, capture_output=True, text=True, check=False
    )
    (STATE / "deploy.log").open("a").write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}\n")
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise DeployFailed(f"{step} failed (all of it is in {STATE / 'deploy.log'}):\n{last}")


@click.command(epilog="make deploy ENV=dev PIECE=basket")
@click.option("--env", "stage", type=STAGE, envvar="ENV", required=True, help="The stage to deploy to.")
@click.option(
    "--piece", type=PIECE, envvar="PIECE", default="shop", show_default=True, help="One set piece, or the whole shop."
)
@click.option("--repository", envvar="REPOSITORY", help="For delivery: the GitHub repository, owner/name.")
@click.option(
    "--oidc-provider",
    envvar="OIDC_PROVIDER",
    help="For delivery: ARN of GitHub's identity provider, if it exists.",
)
def main(stage: str, piece: str, repository: str | None, oidc_provider: str | None) -> None:
    """Build and deploy with SAM CLI."""
    if piece == DELIVERY and not repository:
        raise click.UsageError("Say which GitHub repository may deploy: make bootstrap ENV=dev REPOSITORY=owner/name")
    if stage == "local":
        check_running()
    if stage == "prod" and sys.stdin.isatty():
        click.confirm(f"Deploy {piece} to prod?", abort=True)
    private_folder(STATE)
    environment = dict(os.environ) | (aws_environment() if stage == "local" else {})
    if stage != "local":
        session = session_for(stage)
        check_account(stage, session)
        if not stack_exists(stack_of(stage, piece), session):
            # Only now: it reads this module.
            from local import preflight

            preflight.require(stage, piece, session)
    own = {"Repository": repository, "OidcProviderArn": oidc_provider} if piece == DELIVERY else {}
    with step(f"building and deploying {piece} to {stage} with SAM CLI"):
        deploy(stage, piece, environment, *(f"{name}={value}" for name, value in own.items() if value))
    if piece in ("shop", "sequences"):
        session = session_for(stage)
        with step("raising counters to their first values"):
            raise_sequences(session.client("stepfunctions"), session.client("ssm"), stage)
    click.echo(f"Deployed {piece} to {stage}.")
