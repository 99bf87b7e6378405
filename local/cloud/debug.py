"""Runs a handler in this process against the running local cloud, for breakpoints without Docker.

    python -m tools.cli debug functions/basket/basket/handlers/add_item.py [events/basket/add_item.json]

The handler has the environment of the deployed function, and the permissions of root instead of those of its role.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import click

from local.settings import aws_environment
from model.settings import ACCOUNT_ID, REGION, ROOT
from model.templates import iter_resources
from tools.failures import requires_shop
from tools.options import ExistingFile, JsonFile


def function_of(file: Path) -> tuple[str, dict[str, Any]]:
    """(service, properties) of the function whose handler is in ``file``. Raises ``click.UsageError`` if there is none."""
    for piece, name, properties in iter_resources("AWS::Lambda::Function"):
        if file.resolve() == piece.handlers[name]:
            return piece.service, properties
    raise click.UsageError(f"{file} is not a handler; open functions/<service>/<package>/handlers/<function>.py")


@click.command(epilog="python -m tools.cli debug functions/basket/basket/handlers/add_item.py")
@click.argument("file", type=ExistingFile())
@click.argument("event", type=JsonFile(), required=False)
@requires_shop
def main(file: Path, event: tuple[Path, Any] | None) -> None:
    """Invoke the handler in FILE with EVENT (default: its sample event)."""
    service, properties = function_of(file)
    module, _, attribute = properties["Handler"].rpartition(".")
    os.environ.update(aws_environment())
    deployed = boto3.client("lambda").get_function_configuration(FunctionName=properties["FunctionName"])
    os.environ.update(deployed.get("Environment", {}).get("Variables", {}))
    os.environ.update(AWS_LAMBDA_FUNCTION_NAME=properties["FunctionName"], POWERTOOLS_TRACE_DISABLED="true")
    sys.path[:0] = [str(file.resolve().parents[2]), str(ROOT / "functions" / "common")]
    handler = getattr(importlib.import_module(module), attribute)
    sample = event[1] if event else json.loads((ROOT / "events" / service / f"{file.stem}.json").read_text())
    context = SimpleNamespace(
        function_name=properties["FunctionName"],
        function_version="$LATEST",
        invoked_function_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{properties['FunctionName']}",
        memory_limit_in_mb=properties["MemorySize"],
        aws_request_id="debug",
        log_group_name=f"/aws/lambda/{properties['FunctionName']}",
        log_stream_name="debug",
        get_remaining_time_in_millis=lambda: 300_000,
    )
    click.echo(json.dumps(handler(sample, context), indent=2, default=str))
