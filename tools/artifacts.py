"""``make build`` and ``make image``: build the shop and the storefront's image without deploying them."""

import os
import shutil
import subprocess
import sys

import boto3
import click

from local.settings import SAM
from model.settings import ROOT
from tools.failures import CommandFailed
from tools.options import PIECE, STAGE
from tools.progress import step
from tools.stacks import check_account, session_for


@click.command(epilog="make build PIECE=basket")
@click.option("--piece", type=PIECE, envvar="PIECE", default="shop", show_default=True, help="One set piece, or all.")
def build(piece: str) -> None:
    """Build for AWS (arm64 layer) without deploying."""
    arguments = ("--config-file", "samconfig.toml", "--template", f"templates/{piece}.yaml")
    with step(f"building {piece} with SAM CLI"):
        _run(str(SAM), "build", *arguments, "--build-dir", f".aws-sam/{piece}", PIP=f"{sys.executable} -m pip")


@click.command(epilog="make image ENV=dev")
@click.option(
    "--env", "stage", type=STAGE, envvar="ENV", required=True, help="The stage whose repository receives the image."
)
def image(stage: str) -> None:
    """Build the storefront's image and push it with the commit's id as tag. Needs Docker and the AWS CLI."""
    for program in ("docker", "aws", "git"):
        if not shutil.which(program):
            raise CommandFailed(f"Building an image needs {program}, which is not installed. Install it first.")
    session = session_for(stage)
    check_account(stage, session)
    name = f"/setpieces/{stage}/storefront/repository-uri"
    repository = session.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    commit = _output("git", "rev-parse", "HEAD")
    if is_pushed(repository, commit, session):
        click.echo(f"{repository}:{commit} already exists. Deploy it: StorefrontImageTag={commit} in samconfig.toml.")
        return
    password = _output("aws", "ecr", "get-login-password", "--region", session.region_name)
    login = ["docker", "login", "--username", "AWS", "--password-stdin", repository.partition("/")[0]]
    if subprocess.run(login, input=password, text=True, cwd=ROOT, check=False).returncode:
        raise CommandFailed(f"Docker could not sign in to {repository}; see its output above.")
    with step(f"building {repository}:{commit} and pushing it"):
        tag = f"{repository}:{commit}"
        _run("docker", "buildx", "build", "--platform", "linux/arm64", "--push", "--tag", tag, "storefront")


def is_pushed(repository: str, tag: str, session: boto3.Session) -> bool:
    """True if the repository (by its URI) has an image with this tag, which cannot be pushed again."""
    ecr = session.client("ecr")
    try:
        ecr.describe_images(repositoryName=repository.partition("/")[2], imageIds=[{"imageTag": tag}])
    except ecr.exceptions.ImageNotFoundException:
        return False
    return True


def _run(*command: str, **environment: str) -> None:
    if subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False).returncode:
        raise CommandFailed(f"{' '.join(command[:3])} failed; see its output above.")


def _output(*command: str) -> str:
    process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if process.returncode:
        raise CommandFailed(f"{' '.join(command[:3])} failed: {process.stderr.strip()}")
    return process.stdout.strip()
