"""Start, stop and look at the local cloud: ``python -m local.cloud start|stop|reset|status|logs|invoke``."""

import json
import shutil
import time
from pathlib import Path

import click
import httpx
from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from local.checks import Rejected
from local.deploy import DeployFailed
from local.processes import ALL, EMULATOR, CannotStart
from local.seed import SeedFailed
from local.settings import AWS_ENDPOINT, FRONT_DOOR, REGION, ROOT, SCRATCH, STACK, STATE
from local.start import client
from local.start import start as start_shop

console = Console(highlight=False)


@click.group()
def cli() -> None:
    """The local cloud of Set Pieces."""


@cli.command()
def start() -> None:
    """Start, deploy what changed, seed, and print the addresses. Harmless when it already runs."""
    try:
        start_shop()
    except (CannotStart, DeployFailed, Rejected, SeedFailed) as failure:
        console.print("make start failed.", style="red")
        console.print(str(failure), markup=False, soft_wrap=True)
        raise SystemExit(1) from failure
    _print_addresses()


@cli.command()
def stop() -> None:
    """Stop; the state is kept for the next start."""
    stopped = [process.name for process in reversed(ALL) if process.stop()]
    shutil.rmtree(SCRATCH, ignore_errors=True)
    console.print(f"Stopped {' and '.join(stopped)}." if stopped else "Nothing was running.")


@cli.command()
def reset() -> None:
    """Stop and forget everything: stacks, data, keys."""
    for process in reversed(ALL):
        process.stop()
    shutil.rmtree(STATE, ignore_errors=True)
    console.print("The local cloud is stopped and its state is gone.")


@cli.command()
def status() -> None:
    """What runs, and the state of every stack. Exits 1 unless all is well."""
    well = all(process.pid() and process.healthy() for process in ALL)
    for process in ALL:
        state = "[green]running[/]" if process.pid() and process.healthy() else "[red]not running[/]"
        console.print(f"{process.name:12} {state}  pid {process.pid() or '-'}  log {process.log_file}")
    if EMULATOR.healthy():
        table = Table("stack", "status")
        for stack in client("cloudformation").describe_stacks()["Stacks"]:
            table.add_row(stack["StackName"], stack["StackStatus"])
            well = well and stack["StackStatus"] in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        console.print(table)
    raise SystemExit(0 if well else 1)


@cli.command()
@click.option("--function", "-f", required=True, help="Function name, with or without its setpieces-local- prefix.")
@click.option("--follow", is_flag=True, help="Keep printing new lines.")
def logs(function: str, follow: bool) -> None:
    """Print a function's log."""
    api, group = client("logs"), f"/aws/lambda/{_function_name(function)}"
    since = 0
    while True:
        try:
            pages = api.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since)
            events = sorted((event for page in pages for event in page["events"]), key=lambda event: event["timestamp"])
        except ClientError as error:
            raise SystemExit(
                f"No log {group}: {error}. `make status` lists the stacks; has the function run?"
            ) from error
        for event in events:
            console.print(event["message"].rstrip(), markup=False, soft_wrap=True)
            since = event["timestamp"] + 1
        if not follow:
            return
        time.sleep(1)


@cli.command()
@click.option("--function", "-f", required=True, help="Function name, with or without its setpieces-local- prefix.")
@click.option("--event", "-e", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
def invoke(function: str, event: Path) -> None:
    """Invoke a deployed function with an event from events/ and print its answer."""
    answer = client("lambda").invoke(FunctionName=_function_name(function), Payload=event.read_bytes())
    payload = answer["Payload"].read().decode()
    try:
        console.print_json(payload)
    except json.JSONDecodeError:
        console.print(payload, markup=False)
    raise SystemExit(1 if "FunctionError" in answer else 0)


@cli.command()
def addresses() -> None:
    """Print the addresses of the running shop."""
    _print_addresses()


def _function_name(name: str) -> str:
    prefix = f"{STACK}-"
    return name if name.startswith(prefix) else prefix + name


def _print_addresses() -> None:
    table = Table("what", "where", title="Set Pieces is running", title_justify="left")
    table.add_row("[bold]shop[/]", f"[bold]{FRONT_DOOR}/[/]  (in a browser)")
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
    cli()
