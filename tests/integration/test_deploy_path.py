"""The way to AWS, as far as it goes without an account: the arm64 build, single pieces, and the wrong account."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from local.cloud.clone import PORTS, free_ports
from local.credentials import ROOT_ACCESS_KEY_ID, root_secret
from model.settings import ROOT
from tools.client import Shop
from tools.deploy import LOCAL_POLLS, SAM_COMMAND

pytestmark = pytest.mark.local_only("it builds and deploys on this machine")

AARCH64 = 183


def run(*command: str, environment: dict[str, str], check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ) | environment, capture_output=True, text=True, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def python(code: str, environment: dict[str, str]) -> str:
    return run(sys.executable, "-c", code, environment=environment).stdout


@pytest.fixture(scope="module")
def aws_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("aws-build")
    arguments = ("build", "--config-file", str(ROOT / "samconfig.toml"), "--template", "templates/shop.yaml")
    run(
        *SAM_COMMAND,
        *arguments,
        "--build-dir",
        str(target),
        environment={"PIP": f"{sys.executable} -m pip", "SAM_CLI_TELEMETRY": "0"},
    )
    return target


def machine(library: Path) -> int:
    """``e_machine`` of an ELF header."""
    with library.open("rb") as file:
        return int.from_bytes(file.read(20)[18:], "little")


def test_the_layer_is_built_for_arm64_and_python_3_13_on_any_machine(aws_build: Path):
    layer = aws_build / "Foundation" / "CommonLayer" / "python"
    libraries = list(layer.rglob("*.so"))
    assert libraries
    assert {machine(library) for library in libraries} == {AARCH64}
    assert all("cpython-313-aarch64" in library.name or ".abi3." in library.name for library in libraries)
    assert not (layer / "botocore").exists()
    assert (layer / "setpieces" / "rest_api.py").exists()
    assert list((layer / "setpieces" / "schemas").glob("*.json"))


def test_the_aws_build_makes_a_change_set(aws_build: Path, shop: Shop):
    """`sam deploy` of the AWS build up to the change set, here against the local cloud."""
    done = run(
        *SAM_COMMAND,
        "deploy",
        "--config-file",
        str(ROOT / "samconfig.toml"),
        "--config-env",
        "local",
        "--template-file",
        str(aws_build / "template.yaml"),
        "--no-execute-changeset",
        environment=_local(shop),
    )
    assert "Changeset created successfully" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        (("Stage=local", "StageAccountId=999999999999", "MailFrom=vouchers@example.com"), "another account"),
        (("Stage=dev", "StageAccountId=000000000000", "MailFrom=vouchers@example.com"), "still the placeholder"),
        (("Stage=dev", "StageAccountId=000000000000"), "MailFrom"),
    ],
    ids=["another account", "sender is the placeholder", "no sender"],
)
def test_cloudformation_refuses_a_stage(aws_build: Path, shop: Shop, parameters: tuple[str, ...], reason: str):
    done = run(
        *SAM_COMMAND,
        "deploy",
        "--config-file",
        str(ROOT / "samconfig.toml"),
        "--config-env",
        "local",
        "--stack-name",
        "setpieces-wrong",
        "--template-file",
        str(aws_build / "template.yaml"),
        "--parameter-overrides",
        *parameters,
        environment=_local(shop),
        check=False,
    )
    assert done.returncode != 0
    assert reason in done.stdout + done.stderr


def _local(shop: Shop) -> dict[str, str]:
    from local.settings import aws_environment

    return aws_environment() | LOCAL_POLLS | {"SAM_CLI_TELEMETRY": "0"}


@pytest.fixture(scope="module")
def spare_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A second local cloud, empty, with ports and state of its own."""
    environment = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
    environment |= {"SETPIECES_STATE": str(tmp_path_factory.mktemp("spare"))}
    start = "from local.cloud import processes, start; start.install_lambda_runtime(); processes.EMULATOR.start()"
    try:
        python(start + "; start.make_artifacts_bucket()", environment)
        yield environment
    finally:
        python("from local.cloud.processes import ALL; [process.stop() for process in reversed(ALL)]", environment)


def deploy(piece: str, environment: dict[str, str], check: bool = True) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "tools.cli", "deploy", "--env", "local", "--piece", piece)
    return run(*command, environment=environment, check=check)


def test_a_piece_deploys_alone_once_what_it_needs_is_there(spare_cloud: dict[str, str]):
    too_early = deploy("sequences", spare_cloud, check=False)
    assert too_early.returncode == 1
    assert "deploy foundation first" in too_early.stderr
    for piece in ("foundation", "event-bus", "partners", "sequences", "basket", "catalog"):
        deploy(piece, spare_cloud)
    session = boto3.Session(
        ROOT_ACCESS_KEY_ID, root_secret(Path(spare_cloud["SETPIECES_STATE"])), region_name="eu-central-1"
    )
    cloudformation = session.client(
        "cloudformation", endpoint_url=f"http://127.0.0.1:{spare_cloud['SETPIECES_AWS_PORT']}"
    )
    stacks = {stack["StackName"]: stack["StackStatus"] for stack in cloudformation.describe_stacks()["Stacks"]}
    assert stacks["setpieces-local-sequences"] == "CREATE_COMPLETE"
    deploy("sequences", spare_cloud)


def test_an_unknown_piece_is_refused_by_name(spare_cloud: dict[str, str]):
    done = deploy("nonsense", spare_cloud, check=False)
    assert done.returncode == 2
    assert "unknown set piece 'nonsense'" in done.stderr
