"""Upload a feed and wait until its records are processed: ``make feed TYPE=product FILE=feed.json``.

``TYPE`` is product, pricing or sku; without ``FILE``, a thousand samples are uploaded. Works on AWS as well:
SETPIECES_STAGE=dev, and ADMIN_EMAIL and ADMIN_PASSWORD of an admin.
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
from tools.client import FLOW_SECONDS, Shop, eventually, samples_file, with_retries
from tools.failures import CommandFailed, requires_shop
from tools.options import ExistingFile, OneOf

SAMPLES = 1000
# For a feed of any size.
TIMEOUT_SECONDS = 3600
TYPES = ("product", "pricing", "sku")
COUNTS = ("received", "transformed", "rejected", "updated", "unchanged", "stale", "failed", "pending")

console = Console(highlight=False)


def admin_session(shop: Shop) -> dict[str, str]:
    """The headers of an admin's session."""
    email, password = os.environ.get("ADMIN_EMAIL"), os.environ.get("ADMIN_PASSWORD")
    # A deployed stage has samples if ``tools.seed`` has created them, as make test-deployed does.
    if not (email and password) and (shop.stage == "local" or samples_file(shop.stage).exists()):
        admin = shop.samples["admin"]
        email, password = admin["email"], admin["password"]
    if not (email and password):
        raise CommandFailed(f"Set ADMIN_EMAIL and ADMIN_PASSWORD to those of an admin of stage {shop.stage}.")
    response = with_retries(
        lambda: shop.call("POST", "/login/v1/sessions", json={"email": email, "password": password})
    )
    return {"Authorization": f"Bearer {response.raise_for_status().json()['session_token']}"}


def upload(shop: Shop, session: dict[str, str], feed_type: str, content: bytes) -> str:
    """Request an upload URL, upload the feed, and return its id."""
    response = with_retries(lambda: shop.call("POST", f"/feeds/v1/feeds/{feed_type}", headers=session))
    feed = response.raise_for_status().json()
    target = feed["upload"]
    httpx.request(
        target["method"], target["url"], content=content, headers=target["headers"], timeout=300
    ).raise_for_status()
    return str(feed["feed_id"])


def manifest(shop: Shop, session: dict[str, str], feed_type: str, feed_id: str) -> dict[str, Any]:
    response = with_retries(lambda: shop.call("GET", f"/feeds/v1/feeds/{feed_type}/{feed_id}", headers=session))
    return response.raise_for_status().json()


def complete_manifest(
    shop: Shop,
    session: dict[str, str],
    feed_type: str,
    feed_id: str,
    timeout: float = FLOW_SECONDS,
    progress: Callable[[int, int], Any] = lambda done, total: None,
) -> dict[str, Any]:
    """The manifest when no record of the feed is pending. Raises ``AssertionError`` after ``timeout`` seconds."""

    def complete() -> dict[str, Any]:
        current = manifest(shop, session, feed_type, feed_id)
        if current["status"] in ("AWAITING_UPLOAD", "TRANSFORMING"):
            return {}
        progress(current["received"] - current["pending"], current["received"])
        return {} if current["pending"] else current

    return eventually(complete, timeout=timeout, every=0.3)


def table(manifest: dict[str, Any]) -> Table:
    """The counts of a manifest for the terminal."""
    rows = Table("record", "count", title=f"{manifest['feed_id']}: {manifest['status']}", title_justify="left")
    for name in COUNTS:
        rows.add_row(name, f"{manifest[name]:,}")
    for reason, count in sorted(manifest["reasons"].items()):
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
    session = admin_session(shop)
    feed_id = upload(shop, session, feed_type, content)
    console.print(
        f"Uploaded {feed_id}: {len(content):,} bytes. Waiting until all records are processed.", soft_wrap=True
    )
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(feed_id, total=None)
        try:
            completed = complete_manifest(
                shop,
                session,
                feed_type,
                feed_id,
                timeout=TIMEOUT_SECONDS,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        except AssertionError as error:
            raise CommandFailed(
                f"{feed_id} is not complete after {TIMEOUT_SECONDS} s. Dead letters: python -m tools.cli dead-letters"
            ) from error
    console.print(table(completed))
    for file in manifest(shop, session, feed_type, feed_id)["errors"]:
        console.print(f"Rejected records: {file['url']}", soft_wrap=True)
    if completed.get("unreadable"):
        raise CommandFailed(f"The feed could not be read completely: {completed['unreadable']}")
    console.print(f"Done in {time.monotonic() - started:.1f} s.")
