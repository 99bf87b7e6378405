"""Build and deploy with AWS SAM CLI: the whole shop or one piece, to AWS or to the local cloud, by the same steps.

make deploy ENV=dev                  sam build, sam deploy --config-env dev of templates/shop.yaml
make deploy ENV=dev PIECE=basket     the same for one piece, as stack setpieces-dev-basket
make bootstrap ENV=dev REPOSITORY=owner/name
                                     the account's prerequisites, with an administrator's credentials
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from local.credentials import private_folder
from local.settings import SAM, STATE, aws_environment
from model.settings import ROOT
from tools import seed
from tools.client import Shop
from tools.counters import raise_sequences
from tools.failures import check_running
from tools.options import PIECE, STAGE
from tools.preflight.command import require
from tools.progress import step
from tools.stack_parameters import check_parameters, overrides, template
from tools.stacks import (
    FAILED_CREATION,
    DeployFailed,
    check_account,
    check_alone,
    deployed_stack,
    failed_resources,
    remove_failed_creation,
    session_for,
)
from tools.stages import CONFIG, DELIVERY, WHOLE_SHOP, stack_of, stage_settings

SAM_COMMAND = (str(SAM.with_name("python")), str(ROOT / "tools" / "sam.py"))
# SAM CLI polls a stack every five seconds to spare the quotas of an account; the local cloud has none.
LOCAL_POLLS = {"SAM_CLI_POLL_DELAY": "0.2"}
BOOTSTRAP = "bootstrap"
# Stages on AWS whose external systems are simulators. Without products make smoke fails.
SIMULATED = ("dev", "test")


def build(stage: str, piece: str, environment: dict[str, str]) -> Path:
    """Run ``sam build`` and return the path of the built template. Raises ``DeployFailed``."""
    target = STATE / "build" / piece if stage == "local" else ROOT / ".aws-sam" / piece
    # Functions run on this machine in the local cloud, and on Python 3.13 on arm64 in AWS.
    # uv links cached packages, but lacks pip's options for another platform.
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
    after_build: Callable[[], None] = lambda: None,
) -> None:
    """Build and deploy ``piece`` to ``stage``, with ``extra`` parameters; ``after_build`` is called in between.

    Raises ``DeployFailed`` and what ``after_build`` raises.
    """
    environment = environment if environment is not None else dict(os.environ)
    if stage == "local":
        environment = environment | LOCAL_POLLS
    session = session_for(stage)
    check_account(stage, session)
    check_parameters(stage, piece)
    check_alone(stage, piece, session)
    remove_failed_creation(stack_of(stage, piece), session)
    built_template = build(stage, piece, environment)
    after_build()
    # Delivery creates the bucket and the role that the settings of its stage name, so it has settings of its own.
    arguments = [
        "deploy",
        "--template-file",
        str(built_template),
        "--config-env",
        BOOTSTRAP if piece == DELIVERY else stage,
    ]
    # These are the same for every stage, so the region comes from the stage.
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
    """``Name="value"`` as SAM CLI parses it: without quotes, a value ends at its first space."""
    name, value = parameter
    escaped = value.replace('"', '\\"')
    return f'{name}="{escaped}"'


def _sam(arguments: list[str], environment: dict[str, str], step: str) -> None:
    command = [*SAM_COMMAND, *arguments, "--config-file", str(CONFIG)]
    process = subprocess.run(
        command, cwd=ROOT, env=environment | {"SAM_CLI_TELEMETRY": "0"}, capture_output=True, text=True, check=False
    )
    (STATE / "deploy.log").open("a").write(f"$ {' '.join(command)}\n{process.stdout}{process.stderr}\n")
    if process.returncode:
        last = "\n".join((process.stdout + process.stderr).strip().splitlines()[-25:])
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
        deployed = deployed_stack(stack_of(stage, piece), session)
        if not deployed or deployed["StackStatus"] == FAILED_CREATION:
            require(stage, piece, session, oidc_provider)
    delivery_parameters = {"Repository": repository, "OidcProviderArn": oidc_provider} if piece == DELIVERY else {}
    with step(f"building and deploying {piece} to {stage} with SAM CLI"):
        deploy(stage, piece, environment, {name: value for name, value in delivery_parameters.items() if value})
    if piece in (WHOLE_SHOP, "sequences"):
        session = session_for(stage)
        with step("raising counters to their first values"):
            raise_sequences(session.client("stepfunctions"), session.client("ssm"), stage)
    if piece == WHOLE_SHOP and stage in SIMULATED:
        with step("seeding products into the simulators, if they have none"):
            seed.stock_simulators(Shop(stage, session_for(stage), None, None))
    click.echo(f"Deployed {piece} to {stage}.")
