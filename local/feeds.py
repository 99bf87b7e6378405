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

from local import feed_samples
from local.shop import FLOW_SECONDS, Shop, eventually, patiently

SAMPLES = 1000
COUNTS = ("received", "transformed", "rejected", "updated", "unchanged", "stale", "failed", "pending")

console = Console(highlight=False)


def admin(shop: Shop) -> dict[str, str]:
    """The headers of an admin's session."""
    known = shop.samples["admin"] if shop.stage == "local" else {}
    email = os.environ.get("ADMIN_EMAIL") or known["email"]
    password = os.environ.get("ADMIN_PASSWORD") or known["password"]
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


@click.command()
@click.option("--type", "feed_type", type=click.Choice(["product", "pricing", "sku"]), required=True)
@click.option("--file", "path", type=click.Path(dir_okay=False, path_type=Path), help="The feed; default: samples.")
def main(feed_type: str, path: Path | None) -> None:
    """Put a feed and show its manifest."""
    if path and not path.exists():
        raise SystemExit(f"There is no file {path}.")
    samples = feed_samples.records(feed_type, SAMPLES, version=int(time.time()))
    content = path.read_bytes() if path else feed_samples.as_json(samples)
    try:
        shop = Shop.from_environment()
        session = admin(shop)
        feed_id = put(shop, session, feed_type, content)
        columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(feed_id, total=None)
            shown = accounted(
                shop,
                session,
                feed_type,
                feed_id,
                timeout=3600,
                progress=lambda done, of: bar.update(task, completed=done, total=of),
            )
    except (httpx.HTTPError, OSError, KeyError) as error:
        raise SystemExit(f"The shop does not answer ({error}). Start it with: make start") from error
    console.print(table(shown))
    for file in manifest(shop, session, feed_type, feed_id)["errors"]:
        console.print(f"Rejected records: {file['url']}", soft_wrap=True)
    if shown.get("unreadable"):
        raise SystemExit(f"The feed could not be read to its end: {shown['unreadable']}")


if __name__ == "__main__":
    main()
