"""Build and deploy with AWS SAM CLI: the whole shop or one piece, to AWS or to the local cloud, by the same steps.

    make deploy ENV=dev                  sam build, sam deploy --config-env dev of templates/shop.yaml
    make deploy ENV=dev PIECE=basket     the same for one piece, as stack setpieces-dev-basket
    make bootstrap ENV=dev REPOSITORY=owner/name
                                         what the account needs first, with an administrator's credentials

Parameters come from ``parameter_overrides`` in samconfig.toml, under the names that templates/shop.yaml has for them, and for a
piece also from the addresses that its template names under ``Metadata.SetPiece.Parameters``.
"""

import difflib
import hashlib
import json
import os
import secrets
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import boto3
import click
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from local.credentials import private_folder
from local.settings import SAM, STATE, aws_environment
from model.settings import ROOT
from model.sources import APPLICATION, SHOP, read
from tools.counters import raise_sequences
from tools.failures import CommandFailed, check_running
from tools.options import PIECE, STAGE
from tools.progress import step

SAM_COMMAND = (str(SAM.with_name("python")), str(ROOT / "tools" / "sam.py"))
# SAM CLI waits five seconds between its looks at a stack, to spare an account's quotas; the local cloud has none.
LOCAL_POLLS = {"SAM_CLI_POLL_DELAY": "0.2"}
CONFIG = ROOT / "samconfig.toml"
WHOLE_SHOP, DELIVERY, BOOTSTRAP = "shop", "delivery", "bootstrap"
DEPLOYED = ("templates", "functions", "schemas", "statemachines")
# Stages on AWS whose external systems are simulators. Without products there is nothing to buy, and smoke fails.
SIMULATED = ("dev", "test")
# Of a stack that was rolled back and holds nothing.
FAILED_CREATION = "ROLLBACK_COMPLETE"
# SAM names a version of a function by so many characters of Release.
VERSION_CHARACTERS = 10


class Clients(Protocol):
    """A session of boto3, as far as it is used here: it has clients of AWS services."""

    def client(self, service: str, /) -> Any: ...


class DeployFailed(CommandFailed):
    """The message has the failed step, the reason and the remedy."""


def template(piece: str) -> Path:
    """The template of a piece. Raises ``DeployFailed`` for a name that has none."""
    path = ROOT / "templates" / f"{piece}.yaml"
    if not path.is_file():
        pieces = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml")))
        raise DeployFailed(f"Unknown set piece {piece!r}. Set pieces: {pieces}.")
    return path


def document(piece: str) -> dict[str, Any]:
    """The template of a piece as written, with intrinsics in long form. Raises ``DeployFailed`` for a name that has none."""
    return read(template(piece)).document


def set_piece(piece: str) -> dict[str, Any]:
    """``Metadata.SetPiece`` of a piece's template: {"Service", "Parameters": {parameter: "<service>/<name>"}}."""
    metadata: dict[str, Any] = document(piece)["Metadata"]["SetPiece"]
    return metadata


def stage_settings(stage: str) -> dict[str, Any]:
    """What samconfig.toml says of deploying to ``stage``."""
    settings: dict[str, Any] = tomllib.loads(CONFIG.read_text())[stage]["deploy"]["parameters"]
    return settings


def stage_parameters(stage: str) -> dict[str, str]:
    """``parameter_overrides`` of ``stage``, by name, without the quotes that SAM CLI wants around a value with a space."""
    pairs = (pair.split("=", 1) for pair in stage_settings(stage)["parameter_overrides"])
    return {name: value[1:-1] if value[:1] == value[-1:] == '"' else value for name, value in pairs}


def parameter_names(piece: str) -> dict[str, str]:
    """Every parameter that samconfig.toml may set for ``piece``, under its name there: {"VouchersFileDays": "FileDays"}.

    The whole shop has all names that there are; a piece has the shop's name for what the shop passes on to it.
    """
    own = document(piece).get("Parameters", {}).keys() - set_piece(piece)["Parameters"].keys() - {"Release"}
    passed_on = {
        name: value["Ref"]
        for resource in read(SHOP).document["Resources"].values()
        if resource["Type"] == APPLICATION and resource["Properties"]["Location"] == f"{piece}.yaml"
        for name, value in resource["Properties"]["Parameters"].items()
        if isinstance(value, dict) and list(value) == ["Ref"]
    }
    return {passed_on.get(name, name): name for name in own}


def check_parameters(stage: str, piece: str) -> None:
    """Refuse a name in samconfig.toml that neither ``piece`` nor the shop has: it would have no effect."""
    known = sorted(parameter_names(WHOLE_SHOP).keys() | parameter_names(piece).keys())
    for name in sorted(stage_parameters(stage).keys() - known):
        near = [each for each in known if each.endswith(name)] or difflib.get_close_matches(name, known, n=1)
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise DeployFailed(
            f"samconfig.toml sets {name} for stage {stage}, but no template has such a parameter.{meant} Nothing was deployed."
        )


def deployed_stack(name: str, session: Clients) -> dict[str, Any] | None:
    """What CloudFormation says of the stack ``name``; None if there is none, or only a change set that was never executed."""
    client = session.client("cloudformation")
    try:
        stacks = client.describe_stacks(StackName=name)["Stacks"]
    except client.exceptions.ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return None
        raise
    return None if stacks[0]["StackStatus"] == "REVIEW_IN_PROGRESS" else dict(stacks[0])


def check_alone(stage: str, piece: str, session: Clients) -> None:
    """Refuse a single set piece beside the whole shop: functions, queues and log groups would have the same names."""
    if piece not in (WHOLE_SHOP, DELIVERY) and deployed_stack(stack_of(stage, WHOLE_SHOP), session):
        raise DeployFailed(
            f"Stage {stage} has the whole shop, {piece} included: a second stack cannot have resources with the same names. "
            f"Deploy the shop: make deploy ENV={stage}. It updates only changes. Nothing was deployed."
        )


def remove_failed_creation(stack: str, session: Clients) -> None:
    """Delete ``stack`` if its creation failed and was rolled back: it holds nothing, and CloudFormation cannot update it."""
    found = deployed_stack(stack, session)
    if not found or found["StackStatus"] != FAILED_CREATION:
        return
    client = session.client("cloudformation")
    # By its ARN: that can still be asked for when the stack is gone, and the name may not be taken again meanwhile.
    client.delete_stack(StackName=found["StackId"])
    try:
        client.get_waiter("stack_delete_complete").wait(
            StackName=found["StackId"], WaiterConfig={"Delay": 5, "MaxAttempts": 360}
        )
    except WaiterError as error:
        raise DeployFailed(
            f"The creation of {stack} had failed, and the failed stack could not be deleted: {error}"
        ) from error


def stack_of(stage: str, piece: str) -> str:
    """The name of the stack that ``piece`` is in ``stage``."""
    return f"setpieces-{stage}" + ("" if piece == WHOLE_SHOP else f"-{piece}")


def digest(parameters: Mapping[str, str]) -> str:
    """Of all sources that are deployed and of what they are deployed with."""
    content = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    for folder in DEPLOYED:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                content.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return content.hexdigest()[:VERSION_CHARACTERS]


def new_release() -> str:
    """A value of ``Release`` that no deployment had. Functions behind aliases have it in their description.

    A rollback leaves the versions of the failed attempt in Lambda. To publish exactly the same again is an error of
    CloudFormation ("A version for this Lambda function exists"), so the next attempt has to differ.
    """
    return secrets.token_hex(VERSION_CHARACTERS // 2)


def release(parameters: Mapping[str, str], deployed: Mapping[str, Any] | None) -> str:
    """``Release`` for a stack that is ``deployed``: as it is if that succeeded and nothing differs, otherwise a new one.

    SAM sees no change in a function whose layer or setting comes by a parameter, so it is told.
    """
    content = digest(parameters)
    if deployed and deployed["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        for each in deployed.get("Parameters", []):
            if each["ParameterKey"] == "Release" and each["ParameterValue"].endswith(f"-{content}"):
                return str(each["ParameterValue"])
    return f"{new_release()}-{content}"


def overrides(stage: str, piece: str, session: Clients) -> dict[str, str]:
    """The parameters that ``piece`` is deployed with. Raises ``DeployFailed`` if an address is missing."""
    settings, names = stage_parameters(stage), parameter_names(piece)
    chosen = {names[name]: value for name, value in settings.items() if name in names}
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
    if "Release" in document(piece).get("Parameters", {}):
        chosen["Release"] = release(chosen, deployed_stack(stack_of(stage, piece), session))
    return chosen


def check_account(stage: str, session: Clients) -> None:
    """Refuse credentials of an account other than the stage's."""
    settings = stage_parameters(stage)
    try:
        account = session.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise DeployFailed(f"No usable AWS credentials for stage {stage}: {error}") from error
    if account != settings["StageAccountId"]:
        raise DeployFailed(
            f"The account of stage {stage} is {settings['StageAccountId']}, but your credentials are of account {account}. "
            "Nothing was deployed. Use other credentials, or change the account in samconfig.toml if the stage has moved."
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
    piece: str = WHOLE_SHOP,
    environment: dict[str, str] | None = None,
    extra: Mapping[str, str] | None = None,
    built: Callable[[], None] = lambda: None,
) -> None:
    """Build and deploy ``piece`` to ``stage``, with ``extra`` parameters; ``built`` is called in between.

    Raises ``DeployFailed`` and what ``built`` raises.
    """
    environment = environment if environment is not None else dict(os.environ)
    if stage == "local":
        environment = environment | LOCAL_POLLS
    session = session_for(stage)
    check_account(stage, session)
    check_parameters(stage, piece)
    check_alone(stage, piece, session)
    remove_failed_creation(stack_of(stage, piece), session)
    packaged = build(stage, piece, environment)
    built()
    # Before an account is bootstrapped it has neither the bucket nor the role that its stage deploys with.
    arguments = ["deploy", "--template-file", str(packaged), "--config-env", BOOTSTRAP if piece == DELIVERY else stage]
    # Also what the account needs first is made where the stage is; its section of samconfig.toml is every stage's.
    arguments += ["--region", stage_settings(stage)["region"]]
    stack = stack_of(stage, piece)
    parameters = overrides(stage, piece, session) | dict(extra or {})
    arguments += ["--stack-name", stack, "--parameter-overrides", *map(quoted, parameters.items())]
    started = datetime.now(UTC)
    try:
        _sam(arguments, environment, "sam deploy")
    except DeployFailed as failure:
        reasons = failed_resources(stack, session, started)
        raise DeployFailed("\n".join(["The deployment failed:", *reasons]) if reasons else str(failure)) from failure


def quoted(parameter: tuple[str, str]) -> str:
    """For SAM CLI, which takes what follows a space for another parameter, and drops it if it is none."""
    name, value = parameter
    escaped = value.replace('"', '\\"')
    return f'{name}="{escaped}"'


def failed_resources(stack: str, session: Clients, since: datetime) -> list[str]:
    """CloudFormation's messages for resources of ``stack`` and its nested stacks that failed ``since``, oldest first."""
    events = _events(stack, session.client("cloudformation"), since)
    return [
        f"  {event['StackName']} / {event['LogicalResourceId']} ({event['ResourceType']}): {event['ResourceStatusReason']}"
        for event in sorted(events, key=lambda event: event["Timestamp"])
        if event["ResourceStatus"].endswith("FAILED") and event.get("ResourceStatusReason")
    ]


def _events(stack: str, client: Any, since: datetime) -> Iterator[dict[str, Any]]:
    """The events of ``stack`` and of those nested in it, each asked for by name or ARN.

    A role may describe its stage's stacks and no others. A nested stack that was rolled back has no name any more, but its ARN.
    """
    nested = set()
    with suppress(BotoCoreError, ClientError):  # what the others say is worth reading
        for page in client.get_paginator("describe_stack_events").paginate(StackName=stack):
            events = [event for event in page["StackEvents"] if event["Timestamp"] >= since]
            yield from events
            nested |= {
                event["PhysicalResourceId"]
                for event in events
                if event["ResourceType"] == "AWS::CloudFormation::Stack"
                and event.get("PhysicalResourceId") not in (None, "", event["StackId"])
            }
            if len(events) < len(page["StackEvents"]):
                break  # the newest come first
    for each in sorted(nested):
        yield from _events(each, client, since)


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
        raise DeployFailed(f"{step} failed (full log: {STATE / 'deploy.log'}):\n{last}")


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
        raise click.UsageError(
            "Set the GitHub repository that may deploy: make bootstrap ENV=dev REPOSITORY=owner/name"
        )
    if stage == "local":
        check_running()
    if stage == "prod" and sys.stdin.isatty():
        click.confirm(f"Deploy {piece} to prod?", abort=True)
    private_folder(STATE)
    environment = dict(os.environ) | (aws_environment() if stage == "local" else {})
    if stage != "local":
        session = session_for(stage)
        check_account(stage, session)
        found = deployed_stack(stack_of(stage, piece), session)
        if not found or found["StackStatus"] == FAILED_CREATION:
            # Only now: it reads this module.
            from tools.preflight.command import require

            require(stage, piece, session, oidc_provider)
    own = {"Repository": repository, "OidcProviderArn": oidc_provider} if piece == DELIVERY else {}
    with step(f"building and deploying {piece} to {stage} with SAM CLI"):
        deploy(stage, piece, environment, {name: value for name, value in own.items() if value})
    if piece in (WHOLE_SHOP, "sequences"):
        session = session_for(stage)
        with step("raising counters to their first values"):
            raise_sequences(session.client("stepfunctions"), session.client("ssm"), stage)
    if piece == WHOLE_SHOP and stage in SIMULATED:
        # Only now: they read this module.
        from tools import client, seed

        with step("seeding products into the simulators, if they have none"):
            seed.stock_simulators(client.Shop(stage, session_for(stage), None, None))
    click.echo(f"Deployed {piece} to {stage}.")
