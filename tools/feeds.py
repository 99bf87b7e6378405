"""Put a feed and watch its records on their way: ``make feed TYPE=product FILE=feed.json``.

``TYPE`` is product, pricing or sku; without ``FILE`` a thousand samples are put. Works on AWS as well (SETPIECES_STAGE=dev,
ADMIN_EMAIL and ADMIN_PASSWORD of an admin).
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table

from tools import feed_samples
from tools.client import FLOW_SECONDS, Shop, eventually, patiently, samples_file
from tools.failures import CommandFailed, requires_shop
from tools.options import ExistingFile, OneOf

SAMPLES = 1000
# A feed of any size; what is not through by then is stuck.
TIMEOUT_SECONDS = 3600
TYPES = ("product", "pricing", "sku")
COUNTS = ("received", "transformed", "rejected", "updated", "unchanged", "stale", "failed", "pending")

console = Console(highlight=False)


def admin(shop: Shop) -> dict[str, str]:
    """The headers of an admin's session."""
    email, password = os.environ.get("ADMIN_EMAIL"), os.environ.get("ADMIN_PASSWORD")
    # The samples of a deployed stage are there if `tools.seed` has made them, as make test-deployed does.
    if not (email and password) and (shop.stage == "local" or samples_file(shop.stage).exists()):
        known = shop.samples["admin"]
        email, password = known["email"], known["password"]
    if not (email and password):
        raise CommandFailed(f"Set ADMIN_EMAIL and ADMIN_PASSWORD to those of an admin of stage {shop.stage}.")
    answer = patiently(lambda: shop.call("POST", "/login/v1/sessions", json={"email": email, "password": password}))
    return {"Authorization": f"Bearer {answer.raise_for_status().json()['session_token']}"}


def put(shop: Shop, session: dict[str, str], feed_type: str, content: bytes) -> str:
    """Ask for a place for a feed and put it there; its id."""
    answer = patiently(lambda: shop.call("POST", f"/feeds/v1/feeds/{feed_type}", headers=session))
    expected = answer.raise_for_status().json()
    upload = expected["upload"]
    httpx.request(
        upload["method"], upload["url"], content=content, headers=upload["headers"], timeout=300
    ).raise_for_status()
    return str(expected["feed_id"])


def manifest(shop: Shop, session: dict[str, str], feed_type: str, feed_id: str) -> dict[str, Any]:
    answer = patiently(lambda: shop.call("GET", f"/feeds/v1/feeds/{feed_type}/{feed_id}", headers=session))
    return answer.raise_for_status().json()


def accounted(
    shop: Shop,
    session: dict[str, str],
    feed_type: str,
    feed_id: str,
    timeout: float = FLOW_SECONDS,
    progress: Callable[[int, int], Any] = lambda done, of: None,
) -> dict[str, Any]:
    """The manifest once every record of the feed is accounted for."""

    def through() -> dict[str, Any]:
        shown = manifest(shop, session, feed_type, feed_id)
        if shown["status"] in ("AWAITING_UPLOAD", "TRANSFORMING"):
            return {}
        progress(shown["received"] - shown["pending"], shown["received"])
        return {} if shown["pending"] else shown

    return eventually(through, timeout=timeout, every=0.3)


def table(shown: dict[str, Any]) -> Table:
    """A manifest as a reader of the terminal sees it."""
    rows = Table("record", "count", title=f"{shown['feed_id']}: {shown['status']}", title_justify="left")
    for name in COUNTS:
        rows.add_row(name, f"{shown[name]:,}")
    for reason, count in sorted(shown["reasons"].items()):
        rows.add_row(f"  {reason}", f"{count:,}")
    return rows


@click.command(epilog="make feed TYPE=product FILE=feed.json")
@click.option("--type", "feed_type", envvar="TYPE", type=OneOf("type of feed", TYPES), required=True)
@click.option("--file", "path", envvar="FILE", type=ExistingFile(), help="The feed file; default: samples.")
@requires_shop
def main(feed_type: str, path: Path | None) -> None:
    """Upload a feed and show its manifest."""
    started = time.monotonic()
    samples = feed_samples.records(feed_type, SAMPLES, version=int(time.time()))
    content = path.read_bytes() if path else feed_samples.as_json(samples)
    shop = Shop.from_environment()
    session = admin(shop)
    feed_id = put(shop, session, feed_type, content)
    console.print(
        f"{feed_id} is uploaded: {len(content):,} bytes. Waiting for the outcome of all records ...", soft_wrap=True
    )
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(feed_id, total=None)
        try:
            shown = accounted(
                shop,
                session,
                feed_type,
                feed_id,
                timeout=TIMEOUT_SECONDS,
                progress=lambda done, of: bar.update(task, completed=done, total=of),
            )
        except AssertionError as error:
            raise CommandFailed(
                f"{feed_id} is not complete after {TIMEOUT_SECONDS} s. Dead letters: python -m tools.cli dead-letters"
            ) from error
    console.print(table(shown))
    for file in manifest(shop, session, feed_type, feed_id)["errors"]:
        console.print(f"Rejected records: {file['url']}", soft_wrap=True)
    if shown.get("unreadable"):
        raise CommandFailed(f"The feed could not be read to its end: {shown['unreadable']}")
    console.print(f"Done in {time.monotonic() - started:.1f} s.")
