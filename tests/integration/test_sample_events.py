"""Every function takes its sample: by ``make invoke``, by ``sam remote invoke``, by ``sam local invoke`` as far as Docker."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner

from local.settings import SAM, STACK, STATE, aws_environment
from model.settings import ACCOUNT_ID, REGION, ROOT
from model.templates import iter_resources
from tools.cli import cli
from tools.client import Shop
from tools.deploy import SAM_COMMAND

pytestmark = pytest.mark.local_only("samples name buckets that do not exist: AWS denies access to those")

# (physical name, sample event) of every function. Of a template that is nested more than once, the first.
SAMPLES = {
    function["FunctionName"]: ROOT / "events" / piece.service / f"{function['Handler'].split('.')[-2]}.json"
    for piece, _, function in iter_resources("AWS::Lambda::Function")
}
# Samples name things that a shop need not hold. What a function then owes its caller: an error that it acts upon.
UNAUTHORIZED = "Unauthorized"  # how a request authorizer says 401
NOT_THERE = "NoSuchBucket"  # after two attempts the event is among the dead letters
NO_CODEDEPLOY = "ClientError"  # the hook cannot report its result to it
OVER = "BatchOver"  # the workflow of a batch that was cancelled ends
OWED = {
    "customers-authorize-customer": UNAUTHORIZED,
    "login-authorize-admin": UNAUTHORIZED,
    "feed-pipeline-transform-feed-product": NOT_THERE,
    "foundation-check-versions": NO_CODEDEPLOY,
    "ingestion-fan-out": NOT_THERE,
    "ingestion-partition-events": NOT_THERE,
    "ingestion-roll-up": NOT_THERE,
    "sitemaps-check-release": "Refused",  # unless it finds the release of an earlier run
    "sitemaps-release-index": "Superseded",
    "sitemaps-verify-release": "NotReleased",
    "vouchers-generate-chunk": OVER,
    "vouchers-lease-range": OVER,
    "vouchers-store-file": OVER,
}
# A message about an unknown customer or item goes back to the queue: the item is named as failed.
BACK_TO_THE_QUEUE = {"customer-migration-migrate-customer", "shipping-ship-order"}
ENVIRONMENT = os.environ | aws_environment() | {"SAM_CLI_TELEMETRY": "0"}


def is_well(function: str, payload: Any) -> bool:
    """An answer below 500, of a batch no failed item; or what the function owes its caller."""
    name = function.removeprefix(f"{STACK}-")
    if not isinstance(payload, dict):
        return True
    if "errorType" in payload:
        return payload["errorType"] == OWED.get(name)
    return payload.get("statusCode", 200) < 500 and (not payload.get("batchItemFailures") or name in BACK_TO_THE_QUEUE)


@pytest.mark.parametrize("function", sorted(SAMPLES))
def test_a_function_takes_its_sample(shop: Shop, function: str):
    """By ``make invoke``."""
    response = CliRunner().invoke(cli, ["invoke", "--function", function, "--event", str(SAMPLES[function])])
    payload = json.loads(response.stdout)
    assert is_well(function, payload), response.output
    assert response.exit_code == (1 if isinstance(payload, dict) and "errorType" in payload else 0)


# `sam remote invoke` once for each line of standard input, [arn, event file], in one process: SAM takes seconds to start.
# The SDK's data files are read once, too.
REMOTE_INVOKE = """
import contextlib, functools, io, json, sys
import botocore.session
botocore.session.create_loader = functools.cache(botocore.session.create_loader)
from samcli.cli.main import cli
for line in sys.stdin:
    arn, event = json.loads(line)
    output, error = io.TextIOWrapper(io.BytesIO()), ""
    with contextlib.redirect_stdout(output):
        try:
            cli(["remote", "invoke", arn, "--event-file", event, "--output", "json"], standalone_mode=False)
        except Exception as failure:
            error = repr(failure)
    output.seek(0)
    print(json.dumps([output.read(), error]), flush=True)
"""


def test_sam_remote_invoke_takes_every_sample(shop: Shop):
    functions = sorted(SAMPLES)
    prefix = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:"
    done = subprocess.run(
        [str(SAM.parent / "python"), "-c", REMOTE_INVOKE],
        input="".join(json.dumps([prefix + name, str(SAMPLES[name])]) + "\n" for name in functions),
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        cwd=ROOT,
        check=True,
    )
    responses = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = []
    for function, (output, error) in zip(functions, responses, strict=True):
        if error or not is_well(function, json.loads(json.loads(output)["Payload"])):
            wrong.append(f"{function}: {output}{error}")
    assert wrong == []


def test_sam_remote_invoke_finds_a_function_by_its_path_in_the_shop(shop: Shop):
    command = [*SAM_COMMAND, "remote", "invoke", "Basket/ShowBasketFunction", "--stack-name", STACK]
    command += ["--event-file", "events/basket/show_basket.json"]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["statusCode"] in (200, 404)


# What `sam local invoke` reads before it starts a container: which function, its code, its layers, its handler.
READ = """
import json, sys, yaml
from pathlib import Path
vars(yaml).update(SafeLoader=yaml.CSafeLoader)  # as tools/sam.py does
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
stacks, _ = SamLocalStackProvider.get_stacks(sys.argv[1], language_extensions_enabled=True)
for function in SamFunctionProvider(stacks).get_all():
    file = Path(function.codeuri) / (function.handler.rsplit(".", 1)[0].replace(".", "/") + ".py")
    layers = all(Path(layer.codeuri).is_dir() for layer in function.layers if layer.codeuri)
    print(json.dumps([function.full_path, function.functionname, file.is_file(), layers]))
"""


def test_sam_local_invoke_finds_everything_up_to_the_container(shop: Shop):
    """With Docker it goes on from here: README, "Debug one function"."""
    template = STATE / "build" / "shop" / "template.yaml"
    done = subprocess.run(
        [str(SAM.parent / "python"), "-c", READ, str(template)], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0, done.stderr
    functions = [json.loads(line) for line in done.stdout.splitlines()]
    assert [function for function in functions if not all(function[2:])] == []
    assert len({path.split("/", 1)[1] for path, *_ in functions}) == len(SAMPLES)
    command = [
        *SAM_COMMAND,
        "local",
        "invoke",
        "--language-extensions",
        "Basket/ShowBasketFunction",
        "-t",
        str(template),
    ]
    command += ["-e", "events/basket/show_basket.json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0 or "container runtime" in done.stderr, done.stderr


def test_a_handler_runs_in_a_debugger_against_the_running_shop():
    """What VS Code launches for the handler that is open."""
    handler = ROOT / "functions" / "basket" / "basket" / "handlers" / "show_basket.py"
    command = [sys.executable, "-m", "tools.cli", "debug", str(handler)]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout[done.stdout.index("\n{\n") if "\n{\n" in done.stdout else 0 :])["statusCode"] in (
        200,
        404,
    )


def test_the_debugger_takes_handlers_only():
    command = [sys.executable, "-m", "tools.cli", "debug", str(ROOT / "local" / "cloud" / "debug.py")]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not a handler" in done.stderr
