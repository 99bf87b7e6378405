"""``make start``: run the shop on this machine, and print its addresses."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress

import boto3
import click
import httpx
from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from local import feeds, publish, redirects, seed, sitemaps, storefront
from local.counters import raise_sequences
from local.deploy import DeployFailed, deploy, stage_settings
from local.failures import requires_shop
from local.processes import EMULATOR, FRONT_DOOR_PROCESS, SESSIONS, STOREFRONT, CannotStart
from local.progress import step
from local.settings import (
    AWS_ENDPOINT,
    FRONT_DOOR,
    LAMBDA_PYTHON,
    REGION,
    ROOT,
    STACK,
    STAGE,
    STATE,
    aws_environment,
)
from local.shop import Shop

SOURCES = ("templates", "functions", "schemas", "statemachines", "samconfig.toml")
DEPLOYED = STATE / "deployed.sha256"

console = Console(highlight=False)


def session() -> boto3.Session:
    """A session of the local account's root."""
    environment = aws_environment()
    return boto3.Session(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], region_name=REGION)


def client(service: str):  # type: ignore[no-untyped-def]  # boto3's clients have no static type
    return session().client(service, endpoint_url=AWS_ENDPOINT)


@click.command()
def start() -> None:
    """Start, deploy what changed, seed, and print the addresses. Harmless when it already runs."""
    STATE.mkdir(exist_ok=True)
    try:
        _start()
    except (CannotStart, DeployFailed, seed.SeedFailed) as failure:
        console.print("make start failed.", style="red")
        console.print(str(failure), markup=False, soft_wrap=True)
        raise SystemExit(1) from failure


def _start() -> None:
    with step("the runtime of functions"):
        _lambda_runtime()
    with step("the emulated AWS"):
        fresh = EMULATOR.start(seconds=60)
    with step("the front door"):
        if fresh:
            FRONT_DOOR_PROCESS.stop()  # the credentials it holds were issued by the emulator that is gone
        FRONT_DOOR_PROCESS.start()
    sources = _sources_hash()
    if not _deployed(sources):
        with step("building and deploying templates/shop.yaml with SAM CLI"):
            _make_artifacts_bucket()
            deploy(STAGE, environment=_environment())
        DEPLOYED.write_text(sources)
        fresh = True
    if fresh:
        with step("publishing addresses, seeding counters, products, people and redirects"):
            publish.local_addresses(client("ssm"), publish.resources())
            httpx.post(f"{FRONT_DOOR}/_front_door/reload", timeout=30).raise_for_status()
            raise_sequences(client("stepfunctions"), client("ssm"), STAGE)
            shop = Shop.from_environment()
            seed.seed(shop, STATE / "samples.json")
            redirects.publish_samples(shop)
            # Nobody waits for it: the shop sells without sitemaps.
            sitemaps.start(shop, feeds.admin(shop))
    with step("the storefront"):
        if fresh:
            STOREFRONT.stop()  # what it calls may have moved
        SESSIONS.start()
        STOREFRONT.start()
        storefront.register(client("elbv2"))
    _print_addresses()


@click.command()
@requires_shop
def addresses() -> None:
    """Print the addresses of the running shop."""
    _print_addresses()


def _lambda_runtime() -> None:
    """An interpreter with what the Lambda runtime has: Python and boto3, and nothing else."""
    if LAMBDA_PYTHON.exists():
        return
    pins = [
        line
        for line in (ROOT / "requirements-dev.txt").read_text().splitlines()
        if line.startswith(("boto3==", "botocore=="))
    ]
    home = LAMBDA_PYTHON.parent.parent
    for command in (
        [sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(home)],
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(LAMBDA_PYTHON), *pins],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(home, ignore_errors=True)
            raise CannotStart(f"The functions' interpreter could not be made: {done.stderr.strip()}")


def _sources_hash() -> str:
    digest = hashlib.sha256()
    for source in SOURCES:
        path = ROOT / source
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _deployed(sources: str) -> bool:
    if not DEPLOYED.exists() or DEPLOYED.read_text() != sources:
        return False
    try:
        stack = client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    except ClientError:
        return False
    return stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")


def _make_artifacts_bucket() -> None:
    bucket = stage_settings(STAGE)["s3_bucket"]
    s3 = client("s3")
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})


def _environment() -> dict[str, str]:
    return dict(os.environ) | aws_environment()


def _print_addresses() -> None:
    table = Table("what", "where", title="Set Pieces is running", title_justify="left")
    table.add_row("[bold]shop[/]", f"[bold]{FRONT_DOOR}/[/]  (in a browser)")
    table.add_row("admin pages", f"{FRONT_DOOR}/admin")
    table.add_row("live map", f"{FRONT_DOOR}/admin/architecture")
    table.add_row("API reference", f"{FRONT_DOOR}/_front_door/reference")
    for service in httpx.get(f"{FRONT_DOOR}/_front_door/apis", timeout=10).json()["apis"]:
        table.add_row(service["service"], f"{FRONT_DOOR}/{service['service']}/v1/...")
    table.add_row("AWS endpoint", f"{AWS_ENDPOINT}  (region {REGION}, key test, secret test)")
    table.add_row("samples", str((STATE / "samples.json").relative_to(ROOT) if STATE.is_relative_to(ROOT) else STATE))
    console.print(table)
    samples = json.loads((STATE / "samples.json").read_text())
    console.print(f"Sign in as customer {samples['customer']['email']} / {samples['customer']['password']}")
    console.print(f"Sign in as admin    {samples['admin']['email']} / {samples['admin']['password']}")
    console.print(
        f"Try: curl {FRONT_DOOR}/catalog/v1/products      Then: make demo, make status, make stop", soft_wrap=True
    )


if __name__ == "__main__":
    from local.cli import cli

    cli(prog_name="python -m local.cli")
