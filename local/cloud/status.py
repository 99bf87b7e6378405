"""``make status``: the processes and the status of each stack."""

import click
from rich.console import Console
from rich.table import Table

from local.cloud.processes import ALL, EMULATOR
from local.settings import STATE

COMPLETE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")

console = Console(highlight=False)


@click.command()
def status() -> None:
    """Show the processes and the status of each stack. Exits with 1 if a process or a stack is not healthy."""
    healthy = {process: bool(process.pid()) and process.healthy() for process in ALL}
    if not any(healthy.values()) and not (STATE / "samples.json").exists():
        console.print("No shop was started in this folder. Start it with: make start")
        raise SystemExit(1)
    for process, is_healthy in healthy.items():
        state = "[green]running[/]    " if is_healthy else "[red]not running[/]"
        console.print(f"{process.name:12} {state}  pid {process.pid() or '-'}  log {process.log_file}", soft_wrap=True)
    stacks = _stacks() if healthy[EMULATOR] else {}
    if stacks:
        table = Table("stack", "status")
        for name, state in stacks.items():
            table.add_row(name, state if state in COMPLETE else f"[red]{state}[/]")
        console.print(table)
    if not all(healthy.values()):
        console.print("Start the missing processes with: make start")
    raise SystemExit(0 if all(healthy.values()) and all(state in COMPLETE for state in stacks.values()) else 1)


def _stacks() -> dict[str, str]:
    """{name: status} of all stacks."""
    from tools.client import Shop  # here because it imports the AWS SDK, which is slow

    pages = Shop.from_environment().aws("cloudformation").get_paginator("describe_stacks").paginate()
    return {stack["StackName"]: stack["StackStatus"] for page in pages for stack in page["Stacks"]}
