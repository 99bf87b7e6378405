"""``make addresses``: the URLs of the running shop."""

import json

import click
import httpx
from rich.console import Console
from rich.table import Table

from local.settings import AWS_ENDPOINT, FRONT_DOOR, STATE
from model.settings import REGION, ROOT
from tools.failures import requires_shop

console = Console(highlight=False)


@click.command()
@requires_shop
def addresses() -> None:
    """Print the URLs of the running shop."""
    print_addresses()


def print_addresses() -> None:
    table = Table("what", "where", title="Set Pieces is running", title_justify="left")
    table.add_row("[bold]shop[/]", f"[bold]{FRONT_DOOR}/[/]  (in a browser)")
    table.add_row("admin pages", f"{FRONT_DOOR}/admin")
    table.add_row("live map", f"{FRONT_DOOR}/admin/architecture")
    table.add_row("API reference", f"{FRONT_DOOR}/_front_door/reference")
    for service in httpx.get(f"{FRONT_DOOR}/_front_door/apis", timeout=10).json()["apis"]:
        table.add_row(service["service"], f"{FRONT_DOOR}/{service['service']}/v1/...")
    table.add_row("AWS endpoint", f"{AWS_ENDPOINT}  (region {REGION}; for the AWS CLI: eval $(make env))")
    table.add_row("samples", str((STATE / "samples.json").relative_to(ROOT) if STATE.is_relative_to(ROOT) else STATE))
    console.print(table)
    samples = json.loads((STATE / "samples.json").read_text())
    console.print(f"Sign in as customer {samples['customer']['email']} / {samples['customer']['password']}")
    console.print(f"Sign in as admin    {samples['admin']['email']} / {samples['admin']['password']}")
    console.print(
        f"Try: curl {FRONT_DOOR}/catalog/v1/products      Then: make demo, make status, make stop", soft_wrap=True
    )
