"""``make start``: run the shop on this machine.

Starts the emulator and the front door, deploys what changed, seeds a new shop, and starts the storefront.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import boto3
import click
import httpx
import yaml
from rich.console import Console

from local import emulator_client
from local.cloud import edits, published_addresses
from local.cloud.addresses import print_addresses
from local.cloud.processes import EMULATOR, FRONT_DOOR_PROCESS, STOREFRONT, CannotStart
from local.credentials import private_folder
from local.deployment import checks, update
from local.deployment.findings import Rejected
from local.deployment.update import client
from local.settings import FRONT_DOOR, LAMBDA_PYTHON, STATE, aws_environment
from local.storefront import container
from model.settings import REGION, ROOT, STAGE
from tools import feeds, redirects, seed, sitemaps
from tools.client import Shop, samples_file
from tools.counters import raise_sequences
from tools.deploy import deploy
from tools.progress import step
from tools.seed import SeedFailed
from tools.stacks import DeployFailed
from tools.stages import stage_settings

FAILURES = (CannotStart, Rejected, DeployFailed, SeedFailed, yaml.YAMLError)


console = Console(highlight=False)


@click.command()
def start() -> None:
    """Start the shop, deploy changes, seed it and print its URLs. May be repeated."""
    try:
        start_shop()
    except FAILURES as failure:
        console.print("make start failed.", style="red")
        console.print(str(failure), markup=False, soft_wrap=True)
        raise SystemExit(1) from failure
    print_addresses()


def session() -> boto3.Session:
    """A session of root in the local account."""
    environment = aws_environment()
    return boto3.Session(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], region_name=REGION)


def start_shop() -> None:
    """Start all processes, deploy what changed, and seed a new shop. Idempotent.

    Raises ``FAILURES``, after it has stopped the processes that it started.
    """
    private_folder(STATE)
    running_before = edits.running()
    try:
        _start_shop()
    except BaseException:
        for process in reversed(edits.running()):
            if process not in running_before:
                process.stop()
        raise


def _start_shop() -> None:
    with step("installing the runtime of functions"):
        install_lambda_runtime()
    with step("starting the emulated AWS and the front door"):
        fresh = _start_emulator()
    edits.undo()
    changes = edits.pending()
    if update.recorded() is None or update.needs_build(changes) or not update.deployable(client("cloudformation")):
        _deploy(changes)
        fresh = True
    elif changes.changed:
        with step(f"updating {', '.join(changes.names)}: {update.summary(changes.changed)}"):
            edits.deploy_pending(changes, lambda _: None)
    if fresh:
        with step("publishing URLs, seeding counters, products, customers and redirects"):
            _seed()
    with step("starting the storefront"):
        if fresh:
            STOREFRONT.stop()  # the addresses in its environment may have changed
        edits.restart_changed()
        container.register(client("elbv2"))


def _start_emulator() -> bool:
    """Start the emulator and the front door unless they run their current code; True if the emulator was started."""
    for process in (EMULATOR, FRONT_DOOR_PROCESS):
        if process.pid() and not process.current():
            checks.importable(process.module)  # replaced only by a version that can run
    fresh = EMULATOR.start(seconds=60)
    if fresh:
        FRONT_DOOR_PROCESS.stop()  # its credentials are those of the previous emulator
    FRONT_DOOR_PROCESS.start()
    return fresh


def _deploy(changes: update.Plan) -> None:
    """Build and deploy the whole shop with SAM CLI.

    Files are checked while it builds, then the handlers, which may need a library that only the new layer has.
    """
    with step("building and deploying templates/shop.yaml with SAM CLI"):
        make_artifacts_bucket()
        with ThreadPoolExecutor() as pool:
            sources = pool.submit(checks.check_sources, changes.templates, changes.changed)

            def built() -> None:
                sources.result()
                checks.check_handlers(changes.templates)

            deploy(STAGE, environment=_environment(), after_build=built)
    update.record(changes.now)


def _seed() -> None:
    published_addresses.point_to_front_door(client("ssm"), emulator_client.resources())
    httpx.post(f"{FRONT_DOOR}/_front_door/reload", timeout=30).raise_for_status()
    raise_sequences(client("stepfunctions"), client("ssm"), STAGE)
    shop = Shop.from_environment()
    seed.seed(shop, samples_file(STAGE))
    redirects.publish_samples(shop)
    # Not awaited: the shop sells without sitemaps.
    sitemaps.start(shop, feeds.admin_session(shop))


def install_lambda_runtime() -> None:
    """Create an interpreter with the packages of the Lambda runtime: Python and boto3. Raises ``CannotStart``."""
    if LAMBDA_PYTHON.exists():
        return
    # Constraints pin the versions and hashes of boto3 and of its dependencies.
    pins = ["--constraint", str(ROOT / "requirements-dev.txt"), "boto3"]
    home = LAMBDA_PYTHON.parent.parent
    for command in (
        [sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(home)],
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(LAMBDA_PYTHON), *pins],
    ):
        process = subprocess.run(command, capture_output=True, text=True, check=False)
        if process.returncode:
            shutil.rmtree(home, ignore_errors=True)
            raise CannotStart(f"The interpreter of functions was not installed: {process.stderr.strip()}")


def make_artifacts_bucket() -> None:
    bucket = stage_settings(STAGE)["s3_bucket"]
    s3 = client("s3")
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})


def _environment() -> dict[str, str]:
    return dict(os.environ) | aws_environment()
