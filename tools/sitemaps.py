"""``make sitemaps [DRY_RUN=1] [FORCE=1]``: generate the sitemaps now, as the nightly run does. docs/set-pieces/sitemaps.md

Works on AWS as well (SETPIECES_STAGE=dev, ADMIN_EMAIL, ADMIN_PASSWORD).
"""

from typing import Any

import click
from rich.console import Console

from tools.client import FLOW_SECONDS, Shop, eventually
from tools.failures import CommandFailed, requires_shop
from tools.feeds import admin_session
from tools.progress import step

PATH = "/sitemaps/v1/sitemaps/runs"
SUCCEEDED = ("RELEASED", "UNCHANGED", "CHECKED")
# A run may wait for another, and a large shop has many pages.
RUN_SECONDS = 7200

console = Console(highlight=False)


def start(shop: Shop, session: dict[str, str], **options: bool) -> str:
    """Start a run and return its path."""
    response = shop.call("POST", PATH, json=options, headers=session)
    return str(response.raise_for_status().headers["Location"])


def wait_for_run(shop: Shop, session: dict[str, str], path: str, timeout: float = FLOW_SECONDS) -> dict[str, Any]:
    """The run when it has ended. Raises ``AssertionError`` after ``timeout`` seconds."""

    def ended_run() -> dict[str, Any]:
        response = shop.call("GET", path, headers=session).raise_for_status()
        return {} if "Retry-After" in response.headers else response.json()

    return eventually(ended_run, timeout=timeout, every=0.3)


@click.command(epilog="make sitemaps DRY_RUN=1 FORCE=1")
@click.option(
    "--dry-run", is_flag=True, envvar="DRY_RUN", help="Generate and validate the sitemaps without releasing them."
)
@click.option("--force", is_flag=True, envvar="FORCE", help="Release even if more than a fifth of the URLs is missing.")
@requires_shop
def main(dry_run: bool, force: bool) -> None:
    """Generate the sitemaps and release them."""
    shop = Shop.from_environment()
    session = admin_session(shop)
    with step("generating the sitemaps"):
        path = start(shop, session, dry_run=dry_run, force=force)
        try:
            run = wait_for_run(shop, session, path, RUN_SECONDS)
        except AssertionError as error:
            raise CommandFailed(f"The run {path} has not ended after {RUN_SECONDS} s.") from error
    counts = f", {run['urls']:,} URLs in {run['files']} files" if "urls" in run else ""
    console.print(f"{run['run_id']}: {run['status']}{counts}", soft_wrap=True)
    if run["status"] not in SUCCEEDED:
        reason = run.get("reason", "see the log")
        raise CommandFailed(f"The sitemaps were not released: {reason}. See docs/runbooks/refused-sitemaps.md")
