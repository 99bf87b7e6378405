"""``make invoke FN=basket-add-item EVENT=events/basket/add_item.json``: invoke a deployed function with an event."""

import base64
import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from tools.client import Shop
from tools.deployed_functions import physical_name
from tools.failures import requires_shop
from tools.logs import lines
from tools.options import JsonFile

console = Console(highlight=False)
problems = Console(highlight=False, stderr=True)


@click.command(epilog="make invoke FN=basket-add-item EVENT=events/basket/add_item.json")
@click.option("--function", "-f", envvar="FN", required=True, help="Name, with or without the prefix setpieces-local-.")
@click.option("--event", "-e", envvar="EVENT", type=JsonFile(), required=True, help="JSON file with the event.")
@requires_shop
def invoke(function: str, event: tuple[Path, Any]) -> None:
    """Invoke a deployed function and print its response; after a failure, print the end of its log and exit with 1."""
    shop = Shop.from_environment()
    response = shop.aws("lambda").invoke(
        FunctionName=physical_name(shop, function), Payload=json.dumps(event[1]).encode(), LogType="Tail"
    )
    payload = response["Payload"].read().decode()
    try:
        console.print_json(payload)
    except json.JSONDecodeError:
        console.print(payload, markup=False)
    if "FunctionError" not in response:
        return
    problems.print(f"{function} failed ({response['FunctionError']}). The end of its log:", style="red")
    for message in base64.b64decode(response.get("LogResult", "")).decode(errors="replace").splitlines():
        for line in lines(message):
            problems.print(line, soft_wrap=True)
    raise SystemExit(1)
