"""Start the local cloud: the functions' interpreter, the emulator, the front door, the stacks, samples, the storefront."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import boto3
import httpx
import yaml

from local.cloud import checks, edits, publish, update
from local.cloud.findings import Rejected
from local.cloud.processes import EMULATOR, FRONT_DOOR_PROCESS, STOREFRONT, CannotStart
from local.cloud.update import client
from local.credentials import private_folder
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


def session() -> boto3.Session:
    """A session of the local account's root."""
    environment = aws_environment()
    return boto3.Session(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], region_name=REGION)


def start() -> None:
    """Start, bring in what changed, and seed. Harmless when it already runs; what it started ends again if it fails.

    Raises ``FAILURES``.
    """
    private_folder(STATE)
    ran = edits.running()
    try:
        _start()
    except BaseException:
        for process in reversed(edits.running()):
            if process not in ran:
                process.stop()
        raise


def _start() -> None:
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
        with step(f"updating {', '.join(changes.names)}: {update.shown(changes.changed)}"):
            edits.deploy_pending(changes, lambda _: None)
    if fresh:
        with step("publishing URLs, seeding counters, products, customers and redirects"):
            _seed()
    with step("starting the storefront"):
        if fresh:
            STOREFRONT.stop()  # what it calls may have moved
        edits.restart_changed()
        container.register(client("elbv2"))


def _start_emulator() -> bool:
    """Start the emulator and the front door unless they run their current code; True if the emulator was started."""
    for process in (EMULATOR, FRONT_DOOR_PROCESS):
        if process.pid() and not process.current():
            checks.importable(process.module)  # a version that cannot run replaces none
    fresh = EMULATOR.start(seconds=60)
    if fresh:
        FRONT_DOOR_PROCESS.stop()  # the credentials it holds were issued by the emulator that is gone
    FRONT_DOOR_PROCESS.start()
    return fresh


def _deploy(changes: update.Plan) -> None:
    """Everything, by SAM CLI."""
    with step("building and deploying templates/shop.yaml with SAM CLI"):
        make_artifacts_bucket()
        if update.recorded() is None:
            _deploy_checked_beside(changes)
        else:
            checks.check(changes.templates, changes.stacks, changes.changed)
            deploy(STAGE, environment=_environment())
    update.record(changes.now)


def _deploy_checked_beside(changes: update.Plan) -> None:
    """A first deployment: files are checked while SAM builds; then handlers, which need the layer that it builds."""
    with ThreadPoolExecutor() as pool:
        sources = pool.submit(checks.check_sources, changes.templates, changes.changed)

        def built() -> None:
            sources.result()
            checks.check_handlers(changes.templates)

        deploy(STAGE, environment=_environment(), after_build=built)


def _seed() -> None:
    publish.local_addresses(client("ssm"), publish.resources())
    httpx.post(f"{FRONT_DOOR}/_front_door/reload", timeout=30).raise_for_status()
    raise_sequences(client("stepfunctions"), client("ssm"), STAGE)
    shop = Shop.from_environment()
    seed.seed(shop, samples_file(STAGE))
    redirects.publish_samples(shop)
    # Nobody waits for it: the shop sells without sitemaps.
    sitemaps.start(shop, feeds.admin(shop))


def install_lambda_runtime() -> None:
    """An interpreter with what the Lambda runtime has: Python and boto3, and nothing else."""
    if LAMBDA_PYTHON.exists():
        return
    # Constraints: their versions and hashes hold for what is asked for and for all that it needs.
    pins = ["--constraint", str(ROOT / "requirements-dev.txt"), "boto3"]
    home = LAMBDA_PYTHON.parent.parent
    for command in (
        [sys.executable, "-m", "uv", "venv", "--quiet", "--python", sys.executable, str(home)],
        [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(LAMBDA_PYTHON), *pins],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(home, ignore_errors=True)
            raise CannotStart(f"The functions' interpreter could not be made: {done.stderr.strip()}")


def make_artifacts_bucket() -> None:
    bucket = stage_settings(STAGE)["s3_bucket"]
    s3 = client("s3")
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})


def _environment() -> dict[str, str]:
    return dict(os.environ) | aws_environment()
