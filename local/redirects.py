"""Publish redirect rules: ``make redirects FILE=rules.json [DRY_RUN=1]``. Nothing is published that has a problem.

Works on AWS as well (SETPIECES_STAGE=dev). docs/set-pieces/redirects.md explains the file.
"""

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from local.failures import CommandFailed, requires_shop
from local.options import JsonFile
from local.settings import ROOT
from local.shop import Shop

sys.path.append(str(ROOT / "functions" / "redirects"))
from redirects.domain.check import problems  # after its folder is on the path

SAMPLES = Path(__file__).with_name("redirect_samples.json")
KEY = "rules.json"

console = Console(highlight=False)


class Refused(Exception):
    """The rules have problems, one a line."""


def check(shop: Shop, document: Any) -> None:
    """Raises ``Refused``."""
    site, *destinations = filter(None, shop.address("redirects", "hosts").split(","))
    schema = json.loads((ROOT / "schemas" / "redirects" / "rules.json").read_text())
    found = problems(document, schema, [site], destinations)
    if found:
        raise Refused("\n".join(found))


def publish(shop: Shop, document: Any) -> str:
    """Check rules and make them the ones in use; the version of the store. Raises ``Refused``."""
    check(shop, document)
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    bucket = shop.address("redirects", "bucket-name")
    return str(shop.aws("s3").put_object(Bucket=bucket, Key=KEY, Body=body)["VersionId"])


def publish_samples(shop: Shop) -> None:
    """The samples, unless there are rules already."""
    listed = shop.aws("s3").list_objects_v2(Bucket=shop.address("redirects", "bucket-name"), Prefix=KEY)
    if not listed["KeyCount"]:
        publish(shop, read(SAMPLES.read_text()))


def read(text: str) -> Any:
    """A rule file. Raises ``Refused``."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused(f"invalid JSON: {error}") from error


@click.command(epilog="make redirects FILE=rules.json DRY_RUN=1")
@click.argument("file", envvar="FILE", type=JsonFile(), default=SAMPLES)
@click.option("--dry-run", is_flag=True, envvar="DRY_RUN", help="Only check.")
@requires_shop
def main(file: tuple[Path, Any], dry_run: bool) -> None:
    """Validate the redirect rules in FILE (default: samples) and publish them."""
    shop = Shop.from_environment()
    try:
        document = file[1]
        if dry_run:
            check(shop, document)
            console.print(f"{len(document['rules'])} rules are valid. Nothing was published (dry run).")
            return
        version = publish(shop, document)
    except Refused as refused:
        raise CommandFailed(f"{file[0]} was not published:\n{refused}") from refused
    console.print(f"{len(document['rules'])} rules published as version {version}.")
